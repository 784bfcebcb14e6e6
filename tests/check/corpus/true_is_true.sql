-- verdict: safe
-- rule: nullable-time
-- why: IS TRUE and = true hold only where the comparison does.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    (
        select count(*) from {{ source('raw', 'events') }} as p
        where p.user_id = e.user_id and (p.ts <= e.ts) is true and (p.ts > e.ts) = false
    ) as events_before
from {{ source('raw', 'events') }} as e
