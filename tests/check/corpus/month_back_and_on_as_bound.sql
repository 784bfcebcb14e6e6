-- verdict: safe
-- rule: slack-bound
-- why: A month back and on is at most the same instant: as a bound it only leaves out more.
-- written: after
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as orders_before
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and p.ordered_at <= o.ordered_at - interval '1 month' + interval '1 month'
group by o.order_id, o.ordered_at
