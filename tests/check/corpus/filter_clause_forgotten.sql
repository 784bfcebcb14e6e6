-- verdict: unsafe
-- columns: events, mean_spent_1d
-- rule: unbounded-join
-- why: One count has no filter, and a mean that counts later events as zeros has them in its denominator.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(e.event_id) filter (where e.ts <= r.asked_at) as events_before,
    count(e.event_id) as events,
    avg(case when e.ts between r.asked_at - interval '1 day' and r.asked_at then e.amount else 0 end) as mean_spent_1d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'events') }} as e on e.user_id = r.user_id
group by r.request_id, r.asked_at
