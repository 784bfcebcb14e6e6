-- verdict: unsafe
-- columns: z
-- rule: whole-partition
-- why: Mean and deviation of all of a user's payments, later ones included.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    (amount - avg(amount) over (partition by user_id)) / nullif(stddev_samp(amount) over (partition by user_id), 0) as z
from {{ source('raw', 'events') }}
