-- verdict: unsafe
-- rule: event-time-for-available
-- why: A payment from before that is recorded late becomes the first one.
-- written: before
{{ config(event_time='first_paid_at') }}

select account_id, min(paid_at) as first_paid_at
from {{ source('raw', 'payments') }}
group by account_id
