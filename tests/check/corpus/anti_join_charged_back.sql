-- verdict: unsafe
-- rule: future-existence
-- why: Payments that were never charged back: whether one will be is what the model should find out.
-- written: before
{{ config(event_time='paid_at', available_at='recorded_at') }}

select p.payment_id, p.account_id, p.amount, p.paid_at, p.recorded_at
from {{ source('raw', 'payments') }} as p
anti join {{ source('raw', 'chargebacks') }} as c on c.payment_id = p.payment_id
