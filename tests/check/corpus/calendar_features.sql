-- verdict: safe
-- rule: unbounded-join
-- why: What a calendar says of an instant is known at any time.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    dayofweek(r.asked_at) as weekday,
    hour(r.asked_at at time zone 'Europe/Berlin') as local_hour,
    k.is_holiday,
    k.season,
    (
        select min(n.day) from {{ source('raw', 'calendar') }} as n where n.is_holiday and n.day > r.asked_at::date
    ) - r.asked_at::date as days_to_holiday
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'calendar') }} as k on k.day = cast(r.asked_at as date)
