-- verdict: unsafe
-- rule: bucket-start
-- why: The bucket of 10:00 holds the event of 10:14.
-- written: before
{{ config(event_time='bucket') }}

select
    item,
    time_bucket(interval '15 minutes', ts) as bucket,
    count(*) as events,
    avg(amount) as mean_amount
from {{ source('raw', 'events') }}
group by all
