-- verdict: unsafe
-- columns: spent_so_far
-- rule: nullable-time
-- why: Nulls stand last in DuckDB, also in descending order, and so at the end of every such frame: an event whose
--      time was never filled in is summed into all rows, and nobody knows when it became known.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over (
        partition by user_id order by ts desc, event_id desc rows between current row and unbounded following
    ) as spent_so_far
from {{ source('raw', 'events') }}
