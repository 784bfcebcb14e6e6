-- verdict: safe
-- rule: bucket-start
-- why: Day by day, each row at the end of its day.
-- written: before
{{ config(event_time='day_end') }}

with daily as (
    select user_id, date_trunc('day', ts) as day, sum(amount) as spent
    from {{ source('raw', 'events') }}
    group by all
)

select
    user_id,
    day + interval '1 day' as day_end,
    avg(spent) over (partition by user_id order by day rows between 6 preceding and current row) as usual_spent,
    sum(spent) over (partition by user_id order by day) as spent_so_far
from daily
