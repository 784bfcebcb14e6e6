-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: At least minus an hour ago is up to an hour ahead.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and e.ts - p.ts >= interval '-1 hour'
group by e.event_id, e.ts
