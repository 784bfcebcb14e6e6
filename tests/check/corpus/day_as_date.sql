-- verdict: unsafe
-- rule: bucket-start
-- why: A DATE is its midnight; the events of the day come after it.
-- written: before
{{ config(event_time='day') }}

select
    user_id,
    ts::date as day,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
