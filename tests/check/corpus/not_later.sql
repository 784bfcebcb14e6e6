-- verdict: safe
-- rule: unknown-condition
-- why: "Not later" is "before or equal"; where a time is null, neither is true.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_before
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and not (p.ts > e.ts)
group by e.event_id, e.ts
