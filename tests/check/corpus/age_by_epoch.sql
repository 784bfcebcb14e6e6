-- verdict: safe
-- rule: unknown-condition
-- why: Seconds since 1970 rise with time.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_1h
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and epoch_us(p.ts) <= epoch_us(e.ts) and epoch_us(e.ts) - epoch_us(p.ts) < 3600000000
group by e.event_id, e.ts
