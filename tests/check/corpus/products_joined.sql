-- verdict: unproven
-- rule: untimed
-- why: Nobody says since when the product table has been what it is; and with two rows for a product it would double
--      the orders.
-- written: before
{{ config(event_time='ordered_at') }}

select o.order_id, o.ordered_at, o.total, p.category, o.total - p.cost as margin
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'products') }} as p using (product_id)
