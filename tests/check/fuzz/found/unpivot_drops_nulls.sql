-- verdict: unsafe
-- columns: id, t, n, v
-- why: UNPIVOT leaves nulls out, so whether a row is there hangs on a value that comes later.
-- found: by reading the checker
-- model: unpivot_drops_nulls
{{ config(materialized='view', event_time='t') }}
select id, t, n, v from (select r.id, r.t, r.x as a, (select max(s.x) from {{ source('raw', 'ticks') }} s) as b from {{ source('raw', 'events') }} r) unpivot (v for n in (a, b))
