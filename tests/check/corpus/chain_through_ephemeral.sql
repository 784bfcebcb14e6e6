-- verdict: unsafe
-- columns: temp
-- rule: delay-ignored
-- why: An ephemeral model on the way changes nothing: the hour's delay is forgotten in the join.
-- data: day 1 3
-- written: before
-- model: ephemeral_readings
{{ config(materialized='ephemeral') }}

select device_id, hour_ts, temp
from {{ source('raw', 'sensor') }}
where temp between -50 and 60

-- model: chain_through_ephemeral
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select avg(s.temp) from {{ ref('ephemeral_readings') }} as s
        where s.device_id = r.device_id and s.hour_ts between r.asked_at - interval '6 hours' and r.asked_at
    ) as temp
from {{ source('raw', 'requests') }} as r
