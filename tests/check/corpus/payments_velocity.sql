-- verdict: safe
-- rule: event-time-for-available
-- why: Ordered by the time of recording the frame is what had been recorded in the hour before; rows without such a
--      time are in nobody's frame.
-- written: before
{{ config(event_time='paid_at', available_at='recorded_at') }}

select
    payment_id,
    account_id,
    paid_at,
    recorded_at,
    count(*) over w as recorded_1h,
    count(distinct merchant_id) over w as merchants_1h,
    max(amount) over w as max_1h
from {{ source('raw', 'payments') }}
window w as (
    partition by account_id order by recorded_at range between interval '1 hour' preceding and current row
)
