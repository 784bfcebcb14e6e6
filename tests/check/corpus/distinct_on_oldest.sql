-- verdict: safe
-- rule: latest-row
-- why: The oldest row of each user.
-- written: before
{{ config(event_time='ts') }}

select distinct on (user_id) user_id, ts, kind, amount
from {{ source('raw', 'events') }}
order by user_id, ts, event_id
