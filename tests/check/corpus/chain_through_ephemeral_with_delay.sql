-- verdict: safe
-- rule: delay-ignored
-- why: With the hour.
-- written: before
-- model: ephemeral_readings_2
{{ config(materialized='ephemeral') }}

select device_id, hour_ts, hour_ts + interval '1 hour' as known_at, temp
from {{ source('raw', 'sensor') }}
where temp between -50 and 60

-- model: chain_through_ephemeral_with_delay
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select avg(s.temp) from {{ ref('ephemeral_readings_2') }} as s
        where s.device_id = r.device_id and s.known_at between r.asked_at - interval '6 hours' and r.asked_at
    ) as temp
from {{ source('raw', 'requests') }} as r
