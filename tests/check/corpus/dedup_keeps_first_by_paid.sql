-- verdict: unsafe
-- rule: event-time-for-available
-- why: A version with an earlier business time can be recorded later, and then it wins.
-- written: before
{{ config(event_time='paid_at', available_at='recorded_at') }}

select payment_id, account_id, amount, paid_at, recorded_at
from {{ source('raw', 'payments') }}
qualify row_number() over (partition by payment_id order by paid_at, recorded_at, amount) = 1
