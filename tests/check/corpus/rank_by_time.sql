-- verdict: safe
-- rule: rank-partition
-- why: How many distinct instants came before is fixed when the row is there.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    dense_rank() over (partition by user_id order by ts) as visit_number
from {{ source('raw', 'events') }}
