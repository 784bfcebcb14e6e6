-- verdict: unsafe
-- rule: whole-group
-- why: The last time moves: what was the last one yesterday is no row at all today.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='last_seen') }}

select user_id, max(ts) as last_seen, count(*) as events
from {{ source('raw', 'events') }}
group by user_id
