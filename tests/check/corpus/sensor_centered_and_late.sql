-- verdict: safe
-- rule: following-frame
-- why: The frame looks half an hour ahead and the row is declared to be known another half hour later: it fits.
-- written: before
{{ config(event_time='hour_ts', available_after='90 minutes') }}

select
    device_id,
    hour_ts,
    temp,
    avg(temp) over (
        partition by device_id order by hour_ts
        range between interval '30 minutes' preceding and interval '30 minutes' following
    ) as smooth
from {{ source('raw', 'sensor') }}
