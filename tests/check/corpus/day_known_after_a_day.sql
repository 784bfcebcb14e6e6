-- verdict: safe
-- rule: bucket-start
-- why: Stamped at its start and declared to be known a day later.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='day', available_after='1 day') }}

select
    user_id,
    date_trunc('day', ts) as day,
    count(*) as events,
    sum(amount) as spent
from {{ source('raw', 'events') }}
group by all
