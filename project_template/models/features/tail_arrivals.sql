-- Where a plane landed last, and how late. No window: a question asked at t gets the latest row not after t.
{{ config(materialized='feature_view', entity='plane', event_time='landed_utc') }}

select
    tailnum,
    landed_utc,
    dest as airport,
    arr_delay
from {{ ref('stg_arrivals') }}
