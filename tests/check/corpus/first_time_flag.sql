-- verdict: safe
-- rule: whole-partition
-- why: First time for this item, and a running sum of such firsts: distinct counts the old way.
-- written: before
{{ config(event_time='ts') }}

with flagged as (
    select
        *,
        row_number() over (partition by user_id, item order by ts, event_id) = 1 as is_first
    from {{ source('raw', 'events') }}
)

select
    event_id,
    ts,
    is_first,
    sum(is_first::int) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and current row
    ) as items_so_far
from flagged
