-- verdict: unsafe
-- columns: f
-- why: The next x that is not null comes later than the next row, by which time the row counts.
-- found: by reading the checker
-- model: next_that_is_not_null
{{ config(materialized='view', event_time='at') }}
select k, lead(t ignore nulls) over (partition by k order by t) as at, lead(x ignore nulls) over (partition by k order by t) as f from {{ source('raw', 'ticks') }}
