-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: Their midnight is before this instant; they themselves need not be.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and p.ts::date < e.ts
group by e.event_id, e.ts
