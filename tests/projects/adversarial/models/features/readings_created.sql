-- The same readings, each known from `created_ts`.
{{ config(materialized='feature_view', entity='tenant_user', event_time='event ts', available_at='created_ts',
          tie_breaker=['seq']) }}

select tenant, "user id", "event ts", created_ts, seq, dbl, big, dec, "Ünïcode ""q"""
from {{ source('torture', 'source') }}
