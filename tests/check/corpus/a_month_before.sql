-- verdict: safe
-- rule: slack-bound
-- why: Added to the earlier side, a month is at least 28 days of distance.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as old_orders
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and p.ordered_at + interval '1 month' <= o.ordered_at
group by o.order_id, o.ordered_at
