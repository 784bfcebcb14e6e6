-- A route has few flights a day: longer windows, and whether the last week was worse than the one before.
{{ config(materialized='feature_view', entity='route', event_time='landed_utc') }}

select
    origin,
    dest,
    landed_utc,
    {{ window('avg(arr_delay)', ['7 days', '30 days'], name='delay') }},
    {{ window('avg(is_late::int)', '30 days') }} as late_30d,
    {{ window('avg(arr_delay)', '7 days') }} - {{ window('avg(arr_delay)', '7 days', offset='7 days') }} as delay_trend
from {{ ref('stg_arrivals') }}
