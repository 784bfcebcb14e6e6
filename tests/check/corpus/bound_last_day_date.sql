-- verdict: safe
-- rule: slack-bound
-- why: Their last day of the month is an earlier day.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and last_day(p.ts) < e.ts::date
group by e.event_id, e.ts
