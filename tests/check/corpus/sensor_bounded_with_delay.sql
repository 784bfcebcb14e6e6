-- verdict: safe
-- rule: delay-ignored
-- why: An hour is taken off the question, as the source's delay demands.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    avg(s.temp) as temp_1d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'sensor') }} as s
    on s.device_id = r.device_id
    and s.hour_ts <= r.asked_at - interval '1 hour'
    and s.hour_ts > r.asked_at - interval '25 hours'
group by r.request_id, r.asked_at
