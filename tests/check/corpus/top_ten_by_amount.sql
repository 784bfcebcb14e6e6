-- verdict: unsafe
-- rule: whole-relation
-- why: Ten larger amounts tomorrow, and none of these is left.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
order by amount desc nulls last, event_id
limit 10
