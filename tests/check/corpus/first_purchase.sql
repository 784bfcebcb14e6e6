-- verdict: safe
-- rule: whole-group
-- why: The first purchase and the first event of all, which is not after it.
-- written: after
{{ config(event_time='first_purchase') }}

select user_id, min(ts) filter (where kind = 'purchase') as first_purchase, min(ts) as first_seen
from {{ source('raw', 'events') }}
group by user_id
