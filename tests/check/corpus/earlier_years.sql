-- verdict: safe
-- rule: unknown-condition
-- why: A smaller year is earlier.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    sum(p.total) as ordered_in_earlier_years
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and year(p.ordered_at) < year(o.ordered_at)
group by o.order_id, o.ordered_at
