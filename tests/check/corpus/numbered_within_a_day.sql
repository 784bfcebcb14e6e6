-- verdict: unsafe
-- columns: number
-- rule: rank-partition
-- why: Within the day it is the id that decides: an event of the evening with a small id shifts those of the morning.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    row_number() over (partition by user_id order by ts::date, event_id) as number
from {{ source('raw', 'events') }}
