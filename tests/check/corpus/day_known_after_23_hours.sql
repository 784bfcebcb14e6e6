-- verdict: unsafe
-- rule: bucket-start
-- why: Known at 23:00, says the declaration; an event at 23:30 changes the row.
-- data: day 1 12
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='day', available_after='23 hours') }}

select
    user_id,
    date_trunc('day', ts) as day,
    count(*) as events,
    sum(amount) as spent
from {{ source('raw', 'events') }}
group by all
