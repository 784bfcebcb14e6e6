-- verdict: safe
-- rule: delay-ignored
-- why: Every reading in the frame is known an hour after its stamp, and so not after this row, which inherits the hour.
-- written: before
{{ config(materialized='feature_view', entity='device', event_time='hour_ts') }}

select
    device_id,
    hour_ts,
    temp,
    temp - lag(temp) over (partition by device_id order by hour_ts, temp) as change,
    avg(temp) over (
        partition by device_id order by hour_ts range between interval '1 day' preceding and current row
    ) as temp_1d
from {{ source('raw', 'sensor') }}
