-- verdict: safe
-- rule: event-time-for-available
-- why: The earliest instant at which a payment had both happened and been recorded.
-- written: after
{{ config(event_time='first_usable_at') }}

select account_id, min(greatest(paid_at, recorded_at)) as first_usable_at
from {{ source('raw', 'payments') }}
where recorded_at is not null
group by account_id
