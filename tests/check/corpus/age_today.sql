-- verdict: unsafe
-- columns: age_days, account_age
-- rule: clock
-- why: The age at the time of the run, not at the time of the order: built tomorrow, it is another one.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    date_diff('day', o.ordered_at, now()) as age_days,
    date_diff('day', c.signed_up_at, current_date::timestamptz) as account_age
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'customers') }} as c using (customer_id)
