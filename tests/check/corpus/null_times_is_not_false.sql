-- verdict: unsafe
-- columns: has_history
-- rule: nullable-time
-- why: IS NOT FALSE is true for what is unknown.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    exists (
        select 1
        from {{ source('raw', 'events') }} as p
        where p.user_id = e.user_id and p.event_id <> e.event_id and (p.ts < e.ts) is not false
    ) as has_history
from {{ source('raw', 'events') }} as e
