-- verdict: safe
-- rule: whole-relation
-- why: The first ten events of all stay the first ten.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
where ts is not null
order by ts, event_id
limit 10
