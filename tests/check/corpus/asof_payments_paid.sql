-- verdict: unsafe
-- columns: last_amount
-- rule: event-time-for-available
-- why: The last payment by its business time may be recorded after the question.
-- written: before
{{ config(event_time='asked_at') }}

with paid as (
    select account_id, paid_at, max(amount) as amount
    from {{ source('raw', 'payments') }}
    group by account_id, paid_at
)

select r.request_id, r.asked_at, p.amount as last_amount
from {{ source('raw', 'requests') }} as r
asof left join paid as p on r.account_id = p.account_id and r.asked_at >= p.paid_at
