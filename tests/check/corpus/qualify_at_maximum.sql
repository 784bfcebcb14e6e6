-- verdict: unsafe
-- rule: latest-row
-- why: The newest row, said with a maximum over the partition.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
qualify ts = max(ts) over (partition by user_id)
