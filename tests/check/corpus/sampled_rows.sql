-- verdict: unsafe
-- rule: random
-- why: Which rows are drawn depends on all that there are, and on the dice.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
using sample 5 rows
