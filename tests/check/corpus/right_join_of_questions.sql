-- verdict: safe
-- rule: unbounded-join
-- why: A right join keeps the questions.
-- written: after
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, count(p.amount) as payments
from {{ source('raw', 'payments') }} as p
right join {{ source('raw', 'requests') }} as r on p.account_id = r.account_id and p.recorded_at <= r.asked_at
group by r.request_id, r.asked_at
