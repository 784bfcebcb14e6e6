-- verdict: unsafe
-- columns: events_7d
-- rule: wrong-bound
-- why: "In the last seven days" with the lower bound only: everything after is in it too.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_7d
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts >= e.ts - interval '7 days'
group by e.event_id, e.ts
