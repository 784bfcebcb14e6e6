-- verdict: unsafe
-- rule: nullable-time
-- why: No time of recording means "not recorded yet", and the row appears at its business time.
-- written: before
{{ config(event_time='known_at') }}

select payment_id, account_id, amount, coalesce(recorded_at, paid_at) as known_at
from {{ source('raw', 'payments') }}
