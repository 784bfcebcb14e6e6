-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: Up to the end of this month.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and p.ts < date_trunc('month', e.ts) + interval '1 month'
group by e.event_id, e.ts
