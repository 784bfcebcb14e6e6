-- verdict: safe
-- rule: clock
-- why: The age at the time of the order.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    date_diff('day', c.signed_up_at, o.ordered_at) as account_age
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'customers') }} as c using (customer_id)
