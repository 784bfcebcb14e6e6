-- verdict: safe
-- rule: slack-bound
-- why: Less than zero days ahead is an earlier day.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_diff('day', e.ts, p.ts) < 0
group by e.event_id, e.ts
