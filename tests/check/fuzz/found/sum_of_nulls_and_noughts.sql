-- verdict: unsafe
-- columns: f
-- why: The sum of nulls is null until a row of ELSE 0 comes.
-- found: by reading the checker
-- model: sum_of_nulls_and_noughts
{{ config(materialized='view', event_time='t') }}
select r.id, r.t, sum(case when s.t <= r.t then s.x else 0 end) as f from {{ source('raw', 'events') }} r left join {{ source('raw', 'ticks') }} s on s.k = r.k group by r.id, r.t
