-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: date_sub counts completed hours, and half an hour ahead is minus none of them.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_sub('hour', p.ts, e.ts) >= 0
group by e.event_id, e.ts
