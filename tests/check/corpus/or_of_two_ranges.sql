-- verdict: safe
-- rule: unknown-condition
-- why: Either the last day or the same day of the week before: both are past.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as comparable
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and (
        p.ts between e.ts - interval '1 day' and e.ts
        or p.ts between e.ts - interval '8 days' and e.ts - interval '7 days'
    )
group by e.event_id, e.ts
