-- verdict: unsafe
-- columns: smallest
-- rule: whole-group
-- why: The smallest amount is a minimum too, and no first one.
-- written: after
{{ config(event_time='first_seen') }}

select user_id, min(ts) as first_seen, min(amount) as smallest
from {{ source('raw', 'events') }}
group by user_id
