-- verdict: safe
-- rule: lead
-- why: The time since the event before.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    date_diff('second', lag(ts) over (partition by user_id order by ts), ts) as seconds_since_last
from {{ source('raw', 'events') }}
