-- verdict: unsafe
-- columns: pairs
-- rule: unbounded-join
-- why: All events of the user, whenever.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as pairs
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and p.event_id <> e.event_id
group by e.event_id, e.ts
