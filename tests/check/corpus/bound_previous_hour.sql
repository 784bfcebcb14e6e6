-- verdict: safe
-- rule: slack-bound
-- why: The hour before this one is over.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_trunc('hour', p.ts) + interval '1 hour' = date_trunc('hour', e.ts)
group by e.event_id, e.ts
