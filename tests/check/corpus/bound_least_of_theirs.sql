-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: That the lesser of theirs is before says nothing about the other.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and least(p.ts, timestamptz '2024-01-01 00:00:00+00') <= e.ts
group by e.event_id, e.ts
