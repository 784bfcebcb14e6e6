-- verdict: unsafe
-- columns: current_kind
-- rule: following-frame
-- why: First of the newest: the frame starts at the end of time.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    first_value(kind) over (partition by user_id order by ts desc, event_id) as current_kind
from {{ source('raw', 'events') }}
