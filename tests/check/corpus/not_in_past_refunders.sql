-- verdict: safe
-- rule: future-existence
-- why: NOT IN with a bound: who had asked for a refund by then is left out.
-- written: before
{{ config(event_time='ts') }}

select e.event_id, e.user_id, e.ts, e.amount
from {{ source('raw', 'events') }} as e
where e.user_id not in (
    select p.user_id from {{ source('raw', 'events') }} as p
    where p.kind = 'refund' and p.user_id is not null and p.ts < e.ts
)
