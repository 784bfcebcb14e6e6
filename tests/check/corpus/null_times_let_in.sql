-- verdict: unsafe
-- columns: events_before
-- rule: nullable-time
-- why: Events without a time count as past ones: nobody knows when they came.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events_before
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and coalesce(p.ts <= e.ts, true)
group by e.event_id, e.ts
