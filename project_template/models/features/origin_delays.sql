-- How things go at the airport just now, told by the planes that have left it.
{{ config(materialized='feature_view', entity='origin', event_time='dep_utc') }}

select
    origin,
    dep_utc,
    {{ window('avg(dep_delay)', ['3 hours', '1 day'], name='delay') }},
    {{ window('max(dep_delay)', '3 hours') }} as max_delay_3h,
    {{ window('count(*)', '3 hours') }} as departures_3h
from {{ ref('stg_departures') }}
