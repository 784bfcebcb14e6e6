-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: Turned round, the same day is still zero days.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_diff('day', e.ts, p.ts) <= 0
group by e.event_id, e.ts
