-- verdict: unsafe
-- columns: events
-- rule: unknown-condition
-- why: The slack is as large as an amount, and some amounts are.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.ts <= e.ts + e.amount * interval '1 hour'
group by e.event_id, e.ts
