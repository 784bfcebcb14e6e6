-- verdict: unsafe
-- rule: event-time-for-available
-- why: The earlier of the two is before the recording.
-- written: before
{{ config(event_time='usable_at') }}

select payment_id, account_id, amount, least(paid_at, recorded_at) as usable_at
from {{ source('raw', 'payments') }}
where recorded_at is not null and paid_at is not null
