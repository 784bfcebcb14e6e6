-- verdict: unsafe
-- columns: questions
-- rule: wrong-bound
-- why: A right join keeps the events, and counts the questions that follow.
-- written: after
{{ config(event_time='ts') }}

select e.event_id, e.ts, count(r.request_id) as questions
from {{ source('raw', 'requests') }} as r
right join {{ source('raw', 'events') }} as e on e.user_id = r.user_id and e.ts <= r.asked_at
group by e.event_id, e.ts
