-- verdict: unsafe
-- columns: smooth
-- rule: following-frame
-- why: A row of 12:00 is known at 13:00, and its mean needs the row of 12:30, known at 13:30.
-- data: day 1 13
-- written: before
{{ config(event_time='hour_ts') }}

select
    device_id,
    hour_ts,
    temp,
    avg(temp) over (
        partition by device_id order by hour_ts
        range between interval '30 minutes' preceding and interval '30 minutes' following
    ) as smooth
from {{ source('raw', 'sensor') }}
