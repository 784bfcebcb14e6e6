-- verdict: unsafe
-- rule: bucket-start
-- why: A user is listed at the start of every day on which an event will come.
-- written: before
{{ config(event_time='day') }}

select distinct user_id, date_trunc('day', ts) as day
from {{ source('raw', 'events') }}
