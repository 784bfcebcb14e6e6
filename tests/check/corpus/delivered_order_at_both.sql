-- verdict: safe
-- rule: unbounded-join
-- why: An order with its delivery is known when both are.
-- written: before
{{ config(event_time='done_at') }}

select
    o.order_id,
    o.customer_id,
    d.depot,
    greatest(o.ordered_at, d.delivered_at) as done_at
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d using (order_id)
where o.ordered_at is not null and d.delivered_at is not null
