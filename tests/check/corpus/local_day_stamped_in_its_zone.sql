-- verdict: safe
-- rule: bucket-start
-- why: The end of the local day is turned back into an instant.
-- written: before
{{ config(event_time='day_end') }}

select
    user_id,
    (date_trunc('day', ts at time zone 'America/New_York') + interval '1 day')
        at time zone 'America/New_York' as day_end,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
