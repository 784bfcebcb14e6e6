-- verdict: safe
-- rule: unbounded-join
-- why: Question and payment of any time, and the pair counts as known from the recording of the payment.
-- written: after
{{ config(event_time='asked_at', available_at='recorded_at') }}

select r.request_id, r.asked_at, p.amount, p.recorded_at
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id
