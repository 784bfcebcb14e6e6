-- verdict: unsafe
-- columns: share
-- rule: whole-partition
-- why: A window without ORDER BY is the user's whole history, the part to come included.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount,
    amount / nullif(sum(amount) over (partition by user_id), 0) as share
from {{ source('raw', 'events') }}
