-- verdict: unsafe
-- columns: events
-- rule: slack-bound
-- why: Whole seconds on both sides: an event half a second ahead is in the same one.
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
    and epoch_us(p.ts) // 1000000 <= epoch_us(e.ts) // 1000000
group by e.event_id, e.ts
