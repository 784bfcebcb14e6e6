-- verdict: unsafe
-- rule: future-existence
-- why: The newest event of each user, said with NOT EXISTS: it is gone when the next one comes.
-- written: before
{{ config(event_time='ts') }}

select e.event_id, e.user_id, e.ts, e.amount
from {{ source('raw', 'events') }} as e
where not exists (
    select 1 from {{ source('raw', 'events') }} as later
    where later.user_id = e.user_id and later.ts > e.ts
)
