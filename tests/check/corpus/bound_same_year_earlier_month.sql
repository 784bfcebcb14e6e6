-- verdict: safe
-- rule: unknown-condition
-- why: An earlier month of the same year.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and year(p.ts) = year(e.ts) and month(p.ts) < month(e.ts)
group by e.event_id, e.ts
