-- verdict: unsafe
-- columns: scaled
-- rule: fit-outside-train
-- why: Scaled by the extremes of all rows, those of the test split included.
-- written: before
{{ config(event_time='ts') }}

with extremes as (
    select min(amount) as low, max(amount) as high from {{ source('raw', 'events') }}
)

select e.event_id, e.ts, (e.amount - x.low) / nullif(x.high - x.low, 0) as scaled
from {{ source('raw', 'events') }} as e, extremes as x
