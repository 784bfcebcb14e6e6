-- verdict: safe
-- rule: event-time-for-available
-- why: Whichever of the two is later, written as CASE; a missing recording gives no time at all.
-- written: before
{{ config(event_time='at') }}

select
    payment_id,
    account_id,
    status,
    case when recorded_at >= paid_at then recorded_at when recorded_at < paid_at then paid_at end as at
from {{ source('raw', 'payments') }}
