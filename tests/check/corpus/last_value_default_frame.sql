-- verdict: safe
-- rule: whole-partition
-- why: The frame that nobody wrote ends at the current row, so this is the row's own value (a well-known surprise).
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    last_value(kind) over (partition by user_id order by ts, event_id) as last_kind
from {{ source('raw', 'events') }}
