-- verdict: safe
-- rule: bucket-start
-- why: Buckets of 15 minutes, each stamped at its end.
-- written: before
{{ config(event_time='bucket_end') }}

select
    item,
    time_bucket(interval '15 minutes', ts) + interval '15 minutes' as bucket_end,
    count(*) as events,
    avg(amount) as mean_amount
from {{ source('raw', 'events') }}
group by all
