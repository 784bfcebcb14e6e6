-- verdict: safe
-- rule: rank-partition
-- why: Numbered by time, ties by id.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    row_number() over (partition by user_id order by ts, event_id) as visit_number
from {{ source('raw', 'events') }}
