-- verdict: unsafe
-- columns: id, t
-- why: One of the two readings of a CTE is bounded by the outer row and the other is not: they are two flows.
-- found: by reading the checker
-- model: two_readings_of_one_cte
{{ config(materialized='view', event_time='t') }}
with c as (select id, k, t, x from {{ source('raw', 'ticks') }})
select r.id, r.t from {{ source('raw', 'events') }} r where exists (select 1 from c a, c b where a.t <= r.t and b.x <> a.x)
