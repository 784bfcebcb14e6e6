-- verdict: unsafe
-- columns: spent_before, active_days
-- rule: bucket-start
-- why: The equals sign lets the running day in, with what it will be by midnight.
-- written: before
{{ config(event_time='asked_at') }}

with daily as (
    select user_id, cast(ts as date) as day, sum(amount) as spent, count(*) as events
    from {{ source('raw', 'events') }}
    group by all
)

select
    r.request_id,
    r.asked_at,
    sum(d.spent) as spent_before,
    count(d.day) as active_days
from {{ source('raw', 'requests') }} as r
left join daily as d on d.user_id = r.user_id and d.day <= cast(r.asked_at as date)
group by r.request_id, r.asked_at
