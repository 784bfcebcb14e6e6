-- verdict: unsafe
-- columns: events_near
-- rule: unknown-condition
-- why: The absolute distance is an hour in both directions.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_near
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and abs(epoch(e.ts) - epoch(p.ts)) < 3600
group by e.event_id, e.ts
