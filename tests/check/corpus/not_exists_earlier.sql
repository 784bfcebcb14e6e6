-- verdict: safe
-- rule: future-existence
-- why: The first events of each user.
-- written: before
{{ config(event_time='ts') }}

select e.event_id, e.user_id, e.ts, e.amount
from {{ source('raw', 'events') }} as e
where not exists (
    select 1 from {{ source('raw', 'events') }} as earlier
    where earlier.user_id = e.user_id and earlier.ts < e.ts
)
