-- verdict: unsafe
-- columns: orders_this_month
-- rule: slack-bound
-- why: The same month goes on after the order.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    count(p.order_id) as orders_this_month
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and date_trunc('month', p.ordered_at) = date_trunc('month', o.ordered_at)
group by o.order_id, o.ordered_at
