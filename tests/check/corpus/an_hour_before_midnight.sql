-- verdict: safe
-- rule: slack-bound
-- why: A midnight that is not after 23:00 yesterday is that of yesterday or an earlier one.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts::date <= e.ts::date - interval '1 hour'
group by e.event_id, e.ts
