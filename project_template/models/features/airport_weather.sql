-- Weather is stale after two hours (`ttl`) and known after one (`available_after`): a question asked at 17:30 gets
-- the row of 16:00; and where that is missing, nothing.
{{ config(materialized='feature_view', entity='airport', event_time='hour_utc', available_after='1 hour',
          ttl='2 hours') }}

select
    airport,
    hour_utc,
    temp,
    humid,
    wind_speed,
    precip,
    visib
from {{ ref('stg_weather') }}
