-- verdict: unsafe
-- rule: bucket-start
-- why: A row at 00:00 contains amounts of up to 24 hours later.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='day') }}

select
    user_id,
    date_trunc('day', ts) as day,
    count(*) as events,
    sum(amount) as spent
from {{ source('raw', 'events') }}
group by 1, 2
