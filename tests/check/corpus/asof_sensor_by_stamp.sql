-- verdict: unsafe
-- columns: temp
-- rule: delay-ignored
-- why: The hour of 12:00 is known at 13:00, and a question at 12:10 gets it.
-- data: day 1 3
-- written: before
{{ config(event_time='asked_at') }}

with readings as (
    select device_id, hour_ts, max(temp) as temp
    from {{ source('raw', 'sensor') }}
    group by device_id, hour_ts
)

select r.request_id, r.asked_at, s.temp
from {{ source('raw', 'requests') }} as r
asof left join readings as s on r.device_id = s.device_id and r.asked_at >= s.hour_ts
