-- verdict: safe
-- rule: unread
-- why: A recursive CTE counts days from a constant; only closed days are looked into.
-- written: before
{{ config(event_time='day') }}

with recursive days as (
    select timestamptz '2024-02-01 00:00:00+00' as day
    union all
    select day + interval '1 day' from days where day < timestamptz '2024-04-01 00:00:00+00'
)

select d.day, count(e.event_id) as events_yesterday
from days as d
left join {{ source('raw', 'events') }} as e on e.ts < d.day and e.ts >= d.day - interval '1 day'
group by d.day
