-- verdict: safe
-- rule: future-existence
-- why: Payments of accounts of which a chargeback had been reported when the payment was recorded.
-- written: before
{{ config(event_time='recorded_at') }}

select p.payment_id, p.account_id, p.amount, p.recorded_at
from {{ source('raw', 'payments') }} as p
semi join {{ source('raw', 'chargebacks') }} as c
    on c.payment_id = p.payment_id and c.reported_at <= p.recorded_at
