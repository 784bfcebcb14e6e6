-- verdict: unsafe
-- rule: wrong-bound
-- why: The pair is stamped with the event, and the question that makes it comes later.
-- written: after
{{ config(event_time='ts') }}

select e.event_id, e.ts, r.request_id
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'events') }} as e on e.user_id = r.user_id and e.ts <= r.asked_at
