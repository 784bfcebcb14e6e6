-- verdict: unsafe
-- columns: amount_quantile
-- rule: whole-partition
-- why: Where an amount lies among all amounts, those of next year included.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    cume_dist() over (order by amount) as amount_quantile
from {{ source('raw', 'events') }}
