-- verdict: unsafe
-- rule: delay-ignored
-- why: The source says that a row is known after an hour, the model that it is after half of one.
-- data: day 1 3
-- written: before
{{ config(event_time='hour_ts', available_after='30 minutes') }}

select device_id, hour_ts, temp
from {{ source('raw', 'sensor') }}
