-- verdict: unsafe
-- rule: future-existence
-- why: The mean holds earlier days only, but that there is a row for today at 00:00 tells that the user will come today.
-- written: before
{{ config(event_time='day') }}

with daily as (
    select user_id, date_trunc('day', ts) as day, sum(amount) as spent
    from {{ source('raw', 'events') }}
    group by all
)

select
    user_id,
    day,
    avg(spent) over (partition by user_id order by day rows between 7 preceding and 1 preceding) as usual_spent
from daily
