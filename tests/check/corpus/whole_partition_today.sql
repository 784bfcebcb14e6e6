-- verdict: unsafe
-- columns: events_today
-- rule: whole-partition
-- why: The day's count includes the rest of the day: at 09:00 it knows of the events of 21:00.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (partition by user_id, date_trunc('day', ts)) as events_today
from {{ source('raw', 'events') }}
