-- verdict: unsafe
-- columns: z, mean_z_7d
-- rule: whole-partition
-- why: The window is right, and what it averages holds the whole of a merchant.
-- written: before
{{ config(materialized='feature_view', entity='account', event_time='recorded_at', available_at='recorded_at') }}

with scored as (
    select
        account_id,
        recorded_at,
        amount - avg(amount) over (partition by merchant_id) as z
    from {{ source('raw', 'payments') }}
)

select account_id, recorded_at, z, {{ window('avg(z)', '7 days') }} as mean_z_7d
from scored
