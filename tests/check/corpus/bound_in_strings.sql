-- verdict: unsafe
-- columns: events
-- rule: unknown-condition
-- why: As text without the year: 03-01 is before 05-01 of any year.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and strftime(p.ts, '%m-%d') < strftime(e.ts, '%m-%d')
group by e.event_id, e.ts
