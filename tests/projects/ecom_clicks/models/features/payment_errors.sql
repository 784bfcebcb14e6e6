-- No entity: one timeline for the whole shop.
{{ config(materialized='feature_view', event_time='ts') }}

select
    ts,
    {{ window('count(*)', '24 hours') }} as global_payment_errors_24h
from {{ ref('stg_events') }}
where event = 'payment_error'
