-- verdict: unsafe
-- rule: event-time-for-available
-- why: Packed into a struct and taken out again, it is still the business time.
-- written: after
{{ config(event_time='at_time') }}

select account_id, amount, packed.moment as at_time
from (
    select account_id, amount, {'moment': paid_at, 'recorded': recorded_at} as packed
    from {{ source('raw', 'payments') }}
)
