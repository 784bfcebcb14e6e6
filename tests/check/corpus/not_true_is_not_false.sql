-- verdict: unsafe
-- columns: events_before
-- rule: nullable-time
-- why: "Is not later" as IS NOT TRUE holds where nothing is known.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    (
        select count(*) from {{ source('raw', 'events') }} as p
        where p.user_id = e.user_id and (p.ts > e.ts) is not true
    ) as events_before
from {{ source('raw', 'events') }} as e
