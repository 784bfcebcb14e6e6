-- verdict: unsafe
-- columns: events_before
-- rule: slack-bound
-- why: A day of slack "for clock skew" lets tomorrow in.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_before
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts <= e.ts + interval '1 day'
group by e.event_id, e.ts
