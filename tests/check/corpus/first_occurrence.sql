-- verdict: safe
-- rule: whole-group
-- why: The first time is final when it has come.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='first_seen') }}

select user_id, min(ts) as first_seen
from {{ source('raw', 'events') }}
group by user_id
