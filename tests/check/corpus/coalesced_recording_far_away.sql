-- verdict: safe
-- rule: nullable-time
-- why: A roundabout way to leave out what is not recorded; what is left is known at its recording.
-- written: before
{{ config(event_time='paid_at', available_at='known_at') }}

select
    payment_id,
    account_id,
    amount,
    paid_at,
    recorded_at as known_at
from {{ source('raw', 'payments') }}
where coalesce(recorded_at, timestamptz '9999-12-31 00:00:00+00') < timestamptz '9999-12-31 00:00:00+00'
