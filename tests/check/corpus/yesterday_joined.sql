-- verdict: safe
-- rule: bucket-start
-- why: What is asked today sees the totals of yesterday, and yesterday is over.
-- written: before
{{ config(event_time='asked_at') }}

with daily as (
    select user_id, cast(ts as date) as day, sum(amount) as spent
    from {{ source('raw', 'events') }}
    group by all
)

select r.request_id, r.asked_at, d.spent as spent_yesterday
from {{ source('raw', 'requests') }} as r
left join daily as d on d.user_id = r.user_id and d.day = cast(r.asked_at as date) - 1
