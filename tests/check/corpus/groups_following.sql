-- verdict: unsafe
-- columns: near_max
-- rule: following-frame
-- why: One group of equal instants further is the next instant.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    max(amount) over (partition by user_id order by ts groups between current row and 1 following) as near_max
from {{ source('raw', 'events') }}
