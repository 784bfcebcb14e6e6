-- verdict: unsafe
-- columns: days_left
-- rule: whole-partition
-- why: The latest instant of the whole partition says when the user leaves.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    date_diff('day', ts, max(ts) over (partition by user_id)) as days_left
from {{ source('raw', 'events') }}
