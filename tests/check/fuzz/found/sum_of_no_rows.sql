-- verdict: unsafe
-- columns: f
-- why: Without keys there is a sum of no rows, and that is null until a row of ELSE 0 comes.
-- found: by reading the checker
-- model: sum_of_no_rows
{{ config(materialized='view', event_time='t') }}
select r.id, r.t, (select sum(case when s.t <= r.t then 1 else 0 end) from {{ source('raw', 'ticks') }} s where s.k = r.k) as f from {{ source('raw', 'events') }} r
