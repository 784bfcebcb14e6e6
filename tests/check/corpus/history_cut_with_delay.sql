-- verdict: unsafe
-- rule: delay-ignored
-- why: The readings of the last hour of February are known in March, and the rows begin with the month.
-- data: day 4 16
-- written: before
{{ config(event_time='asked_at') }}

with history as (
    select device_id, avg(temp) as usual_temp
    from {{ source('raw', 'sensor') }}
    where hour_ts < '2024-03-01'
    group by device_id
)

select r.request_id, r.asked_at, h.usual_temp
from {{ source('raw', 'requests') }} as r
join history as h using (device_id)
where r.asked_at >= '2024-03-01'
