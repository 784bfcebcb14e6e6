-- verdict: unsafe
-- columns: f
-- why: first_value with an ORDER BY of its own is not the first row of the partition.
-- found: by reading the checker
-- model: first_value_ordered_inside
{{ config(materialized='view', event_time='t') }}
select id, k, t, first_value(x order by x desc) over (partition by k order by t rows between unbounded preceding and unbounded following) as f from {{ source('raw', 'events') }}
