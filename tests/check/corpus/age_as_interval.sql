-- verdict: safe
-- rule: unknown-condition
-- why: A difference of instants that is not negative says before.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_7d
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and e.ts - p.ts between interval '0 seconds' and interval '7 days'
group by e.event_id, e.ts
