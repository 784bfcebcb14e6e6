-- verdict: safe
-- rule: event-time-for-available
-- why: The first recording.
-- written: before
{{ config(event_time='first_recorded_at') }}

select account_id, min(recorded_at) as first_recorded_at
from {{ source('raw', 'payments') }}
group by account_id
