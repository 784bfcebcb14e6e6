-- verdict: unsafe
-- rule: event-time-for-available
-- why: Declined payments are stamped with their business time, though they are recorded late as well.
-- written: before
{{ config(event_time='at') }}

select
    payment_id,
    account_id,
    status,
    case when status = 'declined' then paid_at else recorded_at end as at
from {{ source('raw', 'payments') }}
