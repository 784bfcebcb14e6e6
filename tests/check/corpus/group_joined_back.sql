-- verdict: unsafe
-- columns: usual, visits
-- rule: whole-group
-- why: A user's totals over all times joined to its single events.
-- written: before
{{ config(event_time='ts') }}

with per_user as (
    select user_id, avg(amount) as usual, count(*) as visits
    from {{ source('raw', 'events') }}
    where user_id is not null
    group by user_id
)

select e.event_id, e.ts, e.amount - u.usual as usual, u.visits
from {{ source('raw', 'events') }} as e
left join per_user as u using (user_id)
