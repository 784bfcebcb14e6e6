-- verdict: unsafe
-- columns: smooth
-- rule: delay-ignored
-- why: 45 minutes ahead and an hour of delay are 105 minutes, and the row is declared to be known after 90.
-- data: day 1 13
-- written: before
{{ config(event_time='hour_ts', available_after='90 minutes') }}

select
    device_id,
    hour_ts,
    temp,
    avg(temp) over (
        partition by device_id order by hour_ts
        range between interval '30 minutes' preceding and interval '45 minutes' following
    ) as smooth
from {{ source('raw', 'sensor') }}
