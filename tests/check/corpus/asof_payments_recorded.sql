-- verdict: safe
-- rule: event-time-for-available
-- why: The last payment by the time of its recording.
-- written: before
{{ config(event_time='asked_at') }}

with recorded as (
    select account_id, recorded_at, max(amount) as amount
    from {{ source('raw', 'payments') }}
    group by account_id, recorded_at
)

select r.request_id, r.asked_at, p.amount as last_amount
from {{ source('raw', 'requests') }} as r
asof left join recorded as p on r.account_id = p.account_id and r.asked_at >= p.recorded_at
