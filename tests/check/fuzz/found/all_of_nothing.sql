-- verdict: unsafe
-- columns: id, t, x
-- why: Anything is true of ALL of no rows, of nulls too.
-- found: by reading the checker
-- model: all_of_nothing
{{ config(materialized='view', event_time='t') }}
select r.id, coalesce(r.t, timestamptz '2024-01-01 00:00:00+00') t, r.x from {{ source('raw', 'events') }} r where r.t <= all (select s.t from {{ source('raw', 'ticks') }} s where s.k = r.k and s.t <= r.t)
