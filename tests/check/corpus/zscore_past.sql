-- verdict: safe
-- rule: whole-partition
-- why: The same against the rows before.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    (amount - avg(amount) over past) / nullif(stddev_samp(amount) over past, 0) as z
from {{ source('raw', 'events') }}
window past as (
    partition by user_id order by ts, event_id rows between unbounded preceding and 1 preceding
)
