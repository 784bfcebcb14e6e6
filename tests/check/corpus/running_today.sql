-- verdict: safe
-- rule: whole-partition
-- why: The day's count so far.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (partition by user_id, date_trunc('day', ts) order by ts) as events_today
from {{ source('raw', 'events') }}
