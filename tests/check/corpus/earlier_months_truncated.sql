-- verdict: safe
-- rule: slack-bound
-- why: A month that begins earlier has ended when this one begins.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as orders_in_earlier_months
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and date_trunc('month', p.ordered_at) < date_trunc('month', o.ordered_at)
group by o.order_id, o.ordered_at
