-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: An hour that begins less than an hour ago is this one.
-- data: day 2 0
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_trunc('hour', p.ts) + interval '1 hour' > e.ts and p.ts < date_trunc('hour', e.ts) + interval '1 hour'
group by e.event_id, e.ts
