-- verdict: safe
-- rule: fit-outside-train
-- why: The running mean of the rows before, the current one excluded.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    avg((kind = 'refund')::int) over (
        partition by item order by ts range between unbounded preceding and interval '1 microsecond' preceding
    ) as refund_rate
from {{ source('raw', 'events') }}
