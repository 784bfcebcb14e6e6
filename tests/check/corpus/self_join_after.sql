-- verdict: unsafe
-- columns: events_7d, max_7d
-- rule: wrong-bound
-- why: The week after each event: the bound is on the wrong side.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_7d,
    max(p.amount) as max_7d
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts between e.ts and e.ts + interval '7 days'
group by e.event_id, e.ts
