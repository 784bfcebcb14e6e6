-- verdict: unsafe
-- rule: nullable-time
-- why: greatest() passes over nulls: a payment that has not been recorded yet appears at its business time.
-- written: before
{{ config(event_time='usable_at') }}

select payment_id, account_id, amount, greatest(paid_at, recorded_at) as usable_at
from {{ source('raw', 'payments') }}
