-- verdict: unsafe
-- rule: event-time-for-available
-- why: A model that says it is known at its business time is not believed, and neither is one that reads it.
-- written: before
-- model: chain_wrong_stg
{{ config(event_time='paid_at', available_at='paid_at') }}

select payment_id, account_id, merchant_id, amount, paid_at
from {{ source('raw', 'payments') }}
where status = 'settled'

-- model: chain_declares_wrongly
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select
    account_id,
    paid_at,
    sum(amount) over (partition by account_id order by paid_at) as paid_so_far
from {{ ref('chain_wrong_stg') }}
