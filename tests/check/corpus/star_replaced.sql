-- verdict: unsafe
-- columns: amount
-- rule: whole-partition
-- why: The star replaces the amount by its share of a whole.
-- written: before
{{ config(event_time='ts') }}

select * replace (amount / nullif(sum(amount) over (partition by user_id), 0) as amount)
from {{ source('raw', 'events') }}
