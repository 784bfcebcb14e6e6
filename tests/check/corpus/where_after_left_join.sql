-- verdict: unsafe
-- rule: future-existence
-- why: A question whose account pays only later finds those payments, fails the filter on them, and vanishes; without
--      them it would stay, with nulls.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id
where p.recorded_at <= r.asked_at or p.recorded_at is null
