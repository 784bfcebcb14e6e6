-- verdict: unsafe
-- rule: future-existence
-- why: The first visits of those who will ask for a refund one day.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
where user_id in (select user_id from {{ source('raw', 'events') }} where kind = 'refund')
