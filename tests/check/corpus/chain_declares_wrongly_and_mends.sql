-- verdict: safe
-- rule: event-time-for-available
-- why: The staging model's declaration is wrong, but it carries the time of recording, and the last model goes by that.
-- written: before
-- model: chain_mended_stg
{{ config(event_time='paid_at', available_at='paid_at') }}

select payment_id, account_id, amount, paid_at, recorded_at
from {{ source('raw', 'payments') }}

-- model: chain_declares_wrongly_and_mends
{{ config(materialized='feature_view', entity='account', event_time='recorded_at', available_at='recorded_at') }}

select
    account_id,
    recorded_at,
    sum(amount) over (partition by account_id order by recorded_at) as paid_so_far
from {{ ref('chain_mended_stg') }}
