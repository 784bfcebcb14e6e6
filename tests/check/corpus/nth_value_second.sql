-- verdict: safe
-- rule: whole-partition
-- why: The second event's kind, null until there is one.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    nth_value(kind, 2) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and current row
    ) as second_kind
from {{ source('raw', 'events') }}
