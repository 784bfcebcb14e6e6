-- verdict: unsafe
-- columns: number
-- rule: rank-partition
-- why: Without any order the numbers follow the rows as they happen to lie, later ones in between.
-- written: after
{{ config(event_time='ts') }}

select event_id, ts, row_number() over () as number
from {{ source('raw', 'events') }}
