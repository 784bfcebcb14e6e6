-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: Twenty-eight days after its first most months go on.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and date_trunc('month', p.ts) + interval '28 days' <= e.ts
group by e.event_id, e.ts
