-- verdict: unsafe
-- rule: bucket-start
-- why: The clock in New York, without its zone, counts as UTC: five hours too early.
-- written: after
{{ config(event_time='local_ts') }}

select event_id, user_id, amount, ts at time zone 'America/New_York' as local_ts
from {{ source('raw', 'events') }}
