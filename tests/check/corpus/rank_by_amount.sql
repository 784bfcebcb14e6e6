-- verdict: unsafe
-- columns: amount_rank
-- rule: rank-partition
-- why: A larger purchase tomorrow makes today's the second largest.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    rank() over (partition by user_id order by amount desc) as amount_rank
from {{ source('raw', 'events') }}
