-- verdict: unsafe
-- columns: visit_number
-- rule: rank-partition
-- why: Nothing says that ids rise with time: an event of tomorrow with a small id shifts the numbers of today's.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    row_number() over (partition by user_id order by event_id) as visit_number
from {{ source('raw', 'events') }}
