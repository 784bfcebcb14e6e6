-- verdict: unsafe
-- rule: future-existence
-- why: A question without a payment counts as known at once, and vanishes when the first payment is recorded.
-- written: after
{{ config(event_time='asked_at', available_at='known_at') }}

select r.request_id, r.asked_at, p.amount, coalesce(p.recorded_at, r.asked_at) as known_at
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id
