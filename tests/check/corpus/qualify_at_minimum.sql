-- verdict: safe
-- rule: latest-row
-- why: The earliest row, said with a minimum: a later event has a later time.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
qualify ts = min(ts) over (partition by user_id)
