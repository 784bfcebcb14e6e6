-- verdict: unsafe
-- columns: spent_before
-- rule: bucket-start
-- why: A date compared with an instant is its midnight: today's midnight is before noon, and today's total comes in.
-- written: before
{{ config(event_time='asked_at') }}

with daily as (
    select user_id, cast(ts as date) as day, sum(amount) as spent
    from {{ source('raw', 'events') }}
    group by all
)

select
    r.request_id,
    r.asked_at,
    sum(d.spent) as spent_before
from {{ source('raw', 'requests') }} as r
left join daily as d on d.user_id = r.user_id and d.day < r.asked_at
group by r.request_id, r.asked_at
