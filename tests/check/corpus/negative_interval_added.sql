-- verdict: unsafe
-- rule: bucket-start
-- why: Minus one hour is added.
-- written: after
{{ config(event_time='at_time') }}

select event_id, user_id, ts + interval '-1 hour' as at_time
from {{ source('raw', 'events') }}
