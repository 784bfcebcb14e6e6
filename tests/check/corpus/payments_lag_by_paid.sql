-- verdict: unsafe
-- columns: amount_before
-- rule: event-time-for-available
-- why: The payment before in business time may be recorded after this one.
-- written: before
{{ config(event_time='paid_at') }}

select
    payment_id,
    paid_at,
    recorded_at,
    lag(amount) over (partition by account_id order by paid_at, payment_id, recorded_at) as amount_before
from {{ source('raw', 'payments') }}
