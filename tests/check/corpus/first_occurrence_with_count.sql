-- verdict: unsafe
-- columns: events, spent
-- rule: whole-group
-- why: The first time of a user beside the totals of its whole life.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='first_seen') }}

select user_id, min(ts) as first_seen, count(*) as events, sum(amount) as spent
from {{ source('raw', 'events') }}
group by user_id
