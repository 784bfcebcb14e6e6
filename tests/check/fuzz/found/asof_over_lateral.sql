-- verdict: unsafe
-- columns: id, t
-- why: The right side reads the left row, and DuckDB makes an ordinary lateral join of that: one row for every event, also those to come.
-- found: seed 1578
-- model: asof_over_lateral
{{ config(materialized='view', event_time='t') }}
select r.id as id, r.t as t
from {{ source('raw', 'events') }} as r
asof left join (select r.t as at, s.id as other from {{ source('raw', 'events') }} as s) as s on r.t >= s.at
