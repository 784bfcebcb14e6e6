-- verdict: safe
-- rule: unbounded-join
-- why: The same instant is not later.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id and p.recorded_at = r.asked_at
