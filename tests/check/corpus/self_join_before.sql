-- verdict: safe
-- rule: wrong-bound
-- why: The week before each event, by a range join.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_7d,
    max(p.amount) as max_7d
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts between e.ts - interval '7 days' and e.ts
group by e.event_id, e.ts
