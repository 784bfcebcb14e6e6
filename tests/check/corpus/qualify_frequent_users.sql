-- verdict: unsafe
-- rule: future-existence
-- why: The first visit of a user is in the table because two more will follow.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
qualify count(*) over (partition by user_id) >= 3
