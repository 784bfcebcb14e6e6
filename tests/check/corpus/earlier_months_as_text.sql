-- verdict: safe
-- rule: unknown-condition
-- why: Year and month as text sort like time.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as orders_in_earlier_months
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and strftime(p.ordered_at, '%Y-%m') < strftime(o.ordered_at, '%Y-%m')
group by o.order_id, o.ordered_at
