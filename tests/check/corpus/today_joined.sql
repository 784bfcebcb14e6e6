-- verdict: unsafe
-- columns: spent_today
-- rule: bucket-start
-- why: What is asked at noon sees the total of the whole day.
-- written: before
{{ config(event_time='asked_at') }}

with daily as (
    select user_id, cast(ts as date) as day, sum(amount) as spent
    from {{ source('raw', 'events') }}
    where user_id is not null
    group by all
)

select
    r.request_id,
    r.asked_at,
    (select d.spent from daily as d where d.user_id = r.user_id and d.day = cast(r.asked_at as date)) as spent_today
from {{ source('raw', 'requests') }} as r
