-- verdict: unsafe
-- rule: bucket-start
-- why: A day in New York ends at 04:00 or 05:00 UTC; its end without a zone counts as 00:00 UTC, hours too early.
-- data: week 1 6
-- written: before
{{ config(event_time='day_end') }}

select
    user_id,
    date_trunc('day', ts at time zone 'America/New_York') + interval '1 day' as day_end,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
