-- verdict: unsafe
-- columns: steps
-- rule: unread
-- why: A recursive walk from each event to the next: how long it becomes is decided later.
-- written: after
{{ config(event_time='ts') }}

with recursive steps as (
    select event_id, user_id, ts, ts as reached, 0 as step from {{ source('raw', 'events') }} where ts is not null
    union all
    select s.event_id, s.user_id, s.ts, n.ts, s.step + 1
    from steps as s
    join {{ source('raw', 'events') }} as n
        on n.user_id = s.user_id and n.ts > s.reached and n.ts <= s.reached + interval '2 hours' and s.step < 3
)

select event_id, ts, max(step) as steps
from steps
group by event_id, ts
