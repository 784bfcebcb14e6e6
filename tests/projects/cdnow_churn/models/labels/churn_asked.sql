{{ config(materialized='table', role='label', event_time='asked_utc', horizon='90 days') }}

select
    customer_id,
    cutoff,
    cutoff::timestamptz as asked_utc,
    churn_90d
from {{ source('cdnow', 'spine') }}
