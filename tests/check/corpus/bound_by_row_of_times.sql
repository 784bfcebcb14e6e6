-- verdict: safe
-- rule: unknown-condition
-- why: Pairs compare by their first parts, then by the second.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and (p.ts, p.event_id) < (e.ts, e.event_id)
group by e.event_id, e.ts
