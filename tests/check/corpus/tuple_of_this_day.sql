-- verdict: unsafe
-- rule: future-existence
-- why: Whether there is a refund of the user on this day.
-- written: after
{{ config(event_time='ts') }}

select event_id, user_id, ts
from {{ source('raw', 'events') }}
where (user_id, ts::date) in (select (user_id, ts::date) from {{ source('raw', 'events') }} where kind = 'refund')
