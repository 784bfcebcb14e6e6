-- verdict: unsafe
-- columns: share_of_rest
-- rule: whole-partition
-- why: "What is still to come" is the whole future of the user.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount,
    amount / nullif(sum(amount) over (
        partition by user_id order by ts, event_id rows between current row and unbounded following
    ), 0) as share_of_rest
from {{ source('raw', 'events') }}
