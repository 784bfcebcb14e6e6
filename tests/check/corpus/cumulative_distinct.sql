-- verdict: safe
-- rule: whole-partition
-- why: How many different items so far.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(distinct item) over (partition by user_id order by ts) as items_so_far
from {{ source('raw', 'events') }}
