-- verdict: unproven
-- rule: unbounded-join
-- why: Everybody knows that a delivery comes after its order, and nothing here says so: with an order that is entered
--      afterwards the row would be there too early.
-- written: before
{{ config(event_time='delivered_at') }}

select
    o.order_id,
    o.customer_id,
    d.depot,
    o.total,
    d.delivered_at
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d using (order_id)
