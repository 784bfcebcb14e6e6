-- verdict: safe
-- rule: future-existence
-- why: The third visit is the third one whatever comes after.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
qualify count(*) over (partition by user_id order by ts) >= 3
