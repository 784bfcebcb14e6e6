-- verdict: unsafe
-- columns: is_last
-- rule: latest-row
-- why: Whether this was the last purchase of an item is decided by whether another one follows.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    row_number() over (partition by user_id, item order by ts desc, event_id) = 1 as is_last
from {{ source('raw', 'events') }}
