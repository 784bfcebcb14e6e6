-- verdict: safe
-- rule: unbounded-join
-- why: All events are joined, and each aggregate takes those of the past only.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(e.event_id) filter (where e.ts <= r.asked_at) as events_before,
    arg_max(e.amount, e.ts) filter (where e.ts <= r.asked_at and e.kind = 'purchase') is not null as has_bought,
    sum(case when e.ts between r.asked_at - interval '1 day' and r.asked_at then e.amount end) as spent_1d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'events') }} as e on e.user_id = r.user_id
group by r.request_id, r.asked_at
