-- verdict: unsafe
-- rule: dropped-available-at
-- why: The window goes by available_at, and the view has none.
-- written: before
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select account_id, paid_at, {{ window('sum(amount)', '7 days') }} as paid_7d
from {{ source('raw', 'payments') }}
