-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: date_diff counts full hours on the clock: later in the same hour is zero hours ago.
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
    and date_diff('hour', p.ts, e.ts) >= 0
group by e.event_id, e.ts
