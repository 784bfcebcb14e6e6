-- verdict: unsafe
-- rule: unbounded-join
-- why: Orders that were delivered: those that never will be are missing from the start, and the depot is known later.
-- written: before
{{ config(event_time='ordered_at') }}

select o.order_id, o.customer_id, o.ordered_at, d.depot
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d using (order_id)
