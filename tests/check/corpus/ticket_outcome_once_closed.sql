-- verdict: safe
-- rule: in-place-update
-- why: Only what was closed by the time of the question is asked for its outcome.
-- written: after
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, count(*) filter (where t.outcome = 'solved') as solved
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'tickets') }} as t
    on t.customer_id = r.customer_id and t.opened_at <= r.asked_at and t.closed_at <= r.asked_at
group by all
