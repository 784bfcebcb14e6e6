-- verdict: safe
-- rule: label-horizon
-- why: Chargebacks within sixty days of the recording.
-- written: before
{{ config(materialized='table', role='label', event_time='recorded_at', horizon='60 days') }}

select
    p.payment_id,
    p.account_id,
    p.amount,
    p.recorded_at,
    exists (
        select 1 from {{ source('raw', 'chargebacks') }} as c
        where c.payment_id = p.payment_id and c.reported_at <= p.recorded_at + interval '60 days'
    ) as is_fraud
from {{ source('raw', 'payments') }} as p
