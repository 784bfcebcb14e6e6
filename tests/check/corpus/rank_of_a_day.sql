-- verdict: safe
-- rule: following-frame
-- why: The rank of a day counts the rows of earlier days only.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    rank() over (partition by user_id order by ts::date) as day_rank,
    dense_rank() over (partition by user_id order by ts::date) as day_number
from {{ source('raw', 'events') }}
