-- A wall clock and its zone, as an instant. Of the two instants of an ambiguous hour DuckDB takes the second.
{{ config(materialized='table', immutable=true) }}

select
    local,
    zone,
    local at time zone zone as utc
from {{ source('torture', 'local_times') }}
