-- verdict: safe
-- rule: whole-partition
-- why: The distance from the highest value so far.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount - max(amount) over (partition by user_id order by ts) as drawdown
from {{ source('raw', 'events') }}
