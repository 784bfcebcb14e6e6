-- verdict: safe
-- rule: random
-- why: A hash of the key is the same for ever.
-- written: before
{{ config(event_time='ts') }}

select event_id, ts, hash(user_id) % 10 as bucket
from {{ source('raw', 'events') }}
