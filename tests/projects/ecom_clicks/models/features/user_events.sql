{{ config(materialized='feature_view', entity='user', event_time='ts', tie_breaker=['event_id']) }}

select user_id, ts, event_id, event
from {{ ref('stg_events') }}
