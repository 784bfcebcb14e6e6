-- verdict: safe
-- rule: delay-ignored
-- why: The delay is added before the join.
-- written: before
{{ config(event_time='asked_at') }}

with readings as (
    select device_id, hour_ts + interval '1 hour' as known_at, max(temp) as temp
    from {{ source('raw', 'sensor') }}
    group by all
)

select r.request_id, r.asked_at, s.temp
from {{ source('raw', 'requests') }} as r
asof left join readings as s on r.device_id = s.device_id and r.asked_at >= s.known_at
