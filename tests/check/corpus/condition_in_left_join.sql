-- verdict: safe
-- rule: future-existence
-- why: The bound in the ON clause.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id and p.recorded_at <= r.asked_at
