-- verdict: unsafe
-- columns: centered
-- rule: fit-outside-train
-- why: The same mean for all rows: those of January know the whole of February.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount - (
        select avg(amount) from {{ source('raw', 'events') }} where ts < timestamptz '2024-03-01 00:00:00+00'
    ) as centered
from {{ source('raw', 'events') }}
