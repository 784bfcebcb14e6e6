-- The readings as if each had been known at once: `created_ts` only decides between equal event times.
{{ config(materialized='feature_view', entity='tenant_user', event_time='event ts', available_at='event ts',
          tie_breaker=['created_ts', 'seq']) }}

select tenant, "user id", "event ts", created_ts, seq, dbl, big, dec, "Ünïcode ""q"""
from {{ source('torture', 'source') }}
