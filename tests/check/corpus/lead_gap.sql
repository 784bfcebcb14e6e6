-- verdict: unsafe
-- columns: seconds_to_next
-- rule: lead
-- why: The time until the next event: a user who never comes back has null, and one who does tells it in advance.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    date_diff('second', ts, lead(ts) over (partition by user_id order by ts)) as seconds_to_next
from {{ source('raw', 'events') }}
