-- verdict: safe
-- rule: bucket-start
-- why: Listed at the end of the day.
-- written: before
{{ config(event_time='day_end') }}

select distinct user_id, date_trunc('day', ts) + interval '1 day' as day_end
from {{ source('raw', 'events') }}
