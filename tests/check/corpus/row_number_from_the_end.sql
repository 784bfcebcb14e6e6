-- verdict: unsafe
-- columns: recency
-- rule: rank-partition
-- why: Counted from the newest row, every new event shifts all older ones.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    row_number() over (partition by user_id order by ts desc, event_id) as recency
from {{ source('raw', 'events') }}
