-- verdict: unsafe
-- columns: next_kind
-- rule: following-frame
-- why: A frame of the one row that follows is a lead: what the user does next.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    kind,
    any_value(kind) over (
        partition by user_id order by ts, event_id rows between 1 following and 1 following
    ) as next_kind
from {{ source('raw', 'events') }}
