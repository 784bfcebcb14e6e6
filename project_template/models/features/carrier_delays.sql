-- How an airline has been doing. A window is a function of time: for a question asked at t it counts the flights
-- that landed in (t - 7 days, t], and those that are still in the air are not known yet.
{{ config(materialized='feature_view', entity='carrier', event_time='landed_utc') }}

select
    carrier,
    landed_utc,
    {{ window('avg(arr_delay)', ['3 hours', '1 day', '7 days'], name='delay') }},     -- delay_3h, delay_1d, delay_7d
    {{ window('avg(is_late::int)', '7 days') }} as late_7d,
    {{ window('count(*)', ['1 day', '7 days'], name='flights') }}                     -- flights_1d, flights_7d
from {{ ref('stg_arrivals') }}
