-- verdict: safe
-- rule: slack-bound
-- why: A month is never longer than 31 days.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as orders_before
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and p.ordered_at <= o.ordered_at + interval '1 month' - interval '31 days'
group by o.order_id, o.ordered_at
