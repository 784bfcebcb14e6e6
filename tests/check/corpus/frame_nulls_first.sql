-- verdict: unsafe
-- columns: events_so_far
-- rule: nullable-time
-- why: With nulls first every running count begins with the events that have no time, known to nobody at any time.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (
        partition by user_id order by ts nulls first rows between unbounded preceding and current row
    ) as events_so_far
from {{ source('raw', 'events') }}
