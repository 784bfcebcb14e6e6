-- verdict: safe
-- rule: whole-partition
-- why: The earliest instant of the whole partition is not after this row's, and no later event can be earlier.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    date_diff('day', min(ts) over (partition by user_id), ts) as tenure_days
from {{ source('raw', 'events') }}
