-- verdict: unsafe
-- columns: progress
-- rule: whole-partition
-- why: percent_rank divides by the number of all rows, also when they are ordered by time.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    percent_rank() over (partition by user_id order by ts) as progress
from {{ source('raw', 'events') }}
