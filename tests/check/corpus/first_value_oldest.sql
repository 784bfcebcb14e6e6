-- verdict: safe
-- rule: whole-partition
-- why: The first event of all stays the first: later ones change nothing.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    first_value(kind) over (partition by user_id order by ts, event_id) as first_kind
from {{ source('raw', 'events') }}
