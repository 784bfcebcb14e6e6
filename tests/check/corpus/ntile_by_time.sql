-- verdict: unsafe
-- columns: phase
-- rule: whole-partition
-- why: In which quarter of its life an event lies depends on how long that life becomes.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    ntile(4) over (partition by user_id order by ts, event_id) as phase
from {{ source('raw', 'events') }}
