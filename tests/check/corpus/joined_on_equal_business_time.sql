-- verdict: unsafe
-- rule: event-time-for-available
-- why: Paid at that instant, and recorded perhaps on Thursday.
-- data: quarter 1 6
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id and p.paid_at = r.asked_at
