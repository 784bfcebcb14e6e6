-- verdict: unsafe
-- rule: bucket-start
-- why: The last event so far is not the last of the day: at noon the row says noon, in the evening it says evening.
-- written: before
{{ config(event_time='last_ts') }}

select
    user_id,
    cast(ts as date) as day,
    max(ts) as last_ts,
    count(*) as events
from {{ source('raw', 'events') }}
group by 1, 2
