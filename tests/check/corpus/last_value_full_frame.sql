-- verdict: unsafe
-- columns: last_kind
-- rule: whole-partition
-- why: "Mended" as every tutorial says, it is the last value of the future.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    last_value(kind) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and unbounded following
    ) as last_kind
from {{ source('raw', 'events') }}
