-- verdict: unsafe
-- rule: nullable-time
-- why: greatest() of the business time and no recording is the business time.
-- written: after
{{ config(event_time='paid_at', available_at='usable_at') }}

select payment_id, account_id, amount, paid_at, greatest(paid_at, recorded_at) as usable_at
from {{ source('raw', 'payments') }}
