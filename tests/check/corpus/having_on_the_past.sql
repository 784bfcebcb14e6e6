-- verdict: safe
-- rule: future-existence
-- why: Questions of users with at least two events before.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, count(*) as events_before
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'events') }} as e on e.user_id = r.user_id and e.ts < r.asked_at
group by r.request_id, r.asked_at
having count(*) >= 2
