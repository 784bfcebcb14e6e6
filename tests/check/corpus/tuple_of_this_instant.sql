-- verdict: safe
-- rule: future-existence
-- why: Whether there was a refund of the user at this very instant.
-- written: after
{{ config(event_time='ts') }}

select event_id, user_id, ts
from {{ source('raw', 'events') }}
where (user_id, ts) in (select (user_id, ts) from {{ source('raw', 'events') }} where kind = 'refund')
