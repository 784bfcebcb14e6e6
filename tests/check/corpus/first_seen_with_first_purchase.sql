-- verdict: unsafe
-- columns: first_purchase
-- rule: whole-group
-- why: The other way round: at the first event it is not known when the first purchase will be.
-- written: after
{{ config(event_time='first_seen') }}

select user_id, min(ts) filter (where kind = 'purchase') as first_purchase, min(ts) as first_seen
from {{ source('raw', 'events') }}
group by user_id
