-- verdict: safe
-- rule: bucket-start
-- why: A date plus one is the midnight at which the day is over.
-- written: before
{{ config(event_time='known_from') }}

select
    user_id,
    cast(ts as date) as day,
    cast(cast(ts as date) + 1 as timestamptz) as known_from,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
