-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: The evening in New York is the next day in UTC: at 01:00 UTC an event of 04:00 UTC is one of yesterday there.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and (p.ts at time zone 'America/New_York')::date < e.ts::date
group by e.event_id, e.ts
