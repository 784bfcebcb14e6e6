-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: In the morning the greater of the two is noon.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and p.ts <= greatest(e.ts, date_trunc('day', e.ts) + interval '12 hours')
group by e.event_id, e.ts
