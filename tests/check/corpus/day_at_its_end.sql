-- verdict: safe
-- rule: bucket-start
-- why: The same day, stamped when it is over.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='day_end') }}

select
    user_id,
    date_trunc('day', ts) + interval '1 day' as day_end,
    count(*) as events,
    sum(amount) as spent
from {{ source('raw', 'events') }}
group by 1, 2
