-- verdict: safe
-- rule: slack-bound
-- why: That the greater of theirs is before says it of both.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and greatest(p.ts, timestamptz '2024-01-01 00:00:00+00') <= e.ts and p.ts is not null
group by e.event_id, e.ts
