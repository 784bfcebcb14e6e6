-- verdict: unproven
-- columns: category
-- rule: untimed
-- why: Looked up in a subquery, the table that has no time can spoil its own column only.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    (select max(p.category) from {{ source('raw', 'products') }} as p where p.product_id = o.product_id) as category
from {{ source('raw', 'orders') }} as o
