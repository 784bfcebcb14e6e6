-- verdict: unsafe
-- rule: delay-ignored
-- why: The reading stamped 23:30 is known at 00:30, and the day's row already at 00:00.
-- data: years 3 7
-- written: before
{{ config(event_time='day_end') }}

select
    device_id,
    date_trunc('day', hour_ts) + interval '1 day' as day_end,
    max(temp) as max_temp
from {{ source('raw', 'sensor') }}
group by all
