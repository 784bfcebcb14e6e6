-- verdict: safe
-- rule: delay-ignored
-- why: At 01:00 every reading of the day before is known.
-- written: before
{{ config(event_time='day_end', available_after='1 hour') }}

select
    device_id,
    date_trunc('day', hour_ts) + interval '1 day' as day_end,
    max(temp) as max_temp
from {{ source('raw', 'sensor') }}
group by all
