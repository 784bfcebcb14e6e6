-- verdict: unsafe
-- columns: is_delivered, last_delivered_at
-- rule: in-place-update
-- why: An order's row is stamped when it is placed; its status is what became of it later.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    o.total,
    (select max(d.delivered_at) from {{ source('raw', 'deliveries') }} as d where d.order_id = o.order_id)
        as last_delivered_at,
    exists (select 1 from {{ source('raw', 'deliveries') }} as d where d.order_id = o.order_id) as is_delivered
from {{ source('raw', 'orders') }} as o
