-- verdict: unsafe
-- columns: id, t, x
-- why: How many rows a share of all is hangs on how many there are in the end.
-- found: by reading the checker
-- model: limit_of_a_share
{{ config(materialized='view', event_time='t') }}
select id, t, x from {{ source('raw', 'ticks') }} order by t, id limit 50%
