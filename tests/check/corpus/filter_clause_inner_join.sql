-- verdict: unsafe
-- rule: future-existence
-- why: The aggregates are bounded, but with an inner join a question is there only if its user has any event, ever.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(e.event_id) filter (where e.ts <= r.asked_at) as events_before
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'events') }} as e on e.user_id = r.user_id
group by r.request_id, r.asked_at
