-- verdict: safe
-- rule: bucket-start
-- why: The clock in UTC, without its zone, is the same instant.
-- written: after
{{ config(event_time='utc_ts') }}

select event_id, user_id, amount, ts at time zone 'UTC' as utc_ts
from {{ source('raw', 'events') }}
