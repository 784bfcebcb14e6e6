-- verdict: safe
-- rule: slack-bound
-- why: A month's border lies in between.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_diff('month', p.ts, e.ts) >= 1
group by e.event_id, e.ts
