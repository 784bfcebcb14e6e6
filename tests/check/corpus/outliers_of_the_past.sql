-- verdict: safe
-- rule: future-existence
-- why: Larger than all of the user's amounts before.
-- written: before
{{ config(event_time='ts') }}

select e.event_id, e.user_id, e.ts, e.amount
from {{ source('raw', 'events') }} as e
where e.amount > all (
    select p.amount from {{ source('raw', 'events') }} as p
    where p.user_id = e.user_id and p.ts < e.ts and p.amount is not null
)
