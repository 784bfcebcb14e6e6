-- verdict: unsafe
-- columns: events
-- rule: unbounded-join
-- why: Pairs of which the id comes first.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and (p.event_id, p.ts) < (e.event_id, e.ts)
group by e.event_id, e.ts
