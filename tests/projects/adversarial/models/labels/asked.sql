{{ config(materialized='table', role='label', event_time='as of', horizon='1 hour') }}

select row_id, tenant, "user id", "as of", label
from {{ source('torture', 'spine') }}
