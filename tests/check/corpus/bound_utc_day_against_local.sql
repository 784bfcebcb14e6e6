-- verdict: safe
-- rule: slack-bound
-- why: A local day in New York begins after that day in UTC.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and p.ts::date < (e.ts at time zone 'America/New_York')::date
group by e.event_id, e.ts
