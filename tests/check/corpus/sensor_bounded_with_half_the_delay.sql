-- verdict: unsafe
-- columns: temp_1d
-- rule: delay-ignored
-- why: Half an hour is not the hour that the source takes.
-- data: day 1 3
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    avg(s.temp) as temp_1d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'sensor') }} as s
    on s.device_id = r.device_id
    and s.hour_ts <= r.asked_at - interval '30 minutes'
    and s.hour_ts > r.asked_at - interval '25 hours'
group by r.request_id, r.asked_at
