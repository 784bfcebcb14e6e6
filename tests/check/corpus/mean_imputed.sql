-- verdict: unsafe
-- columns: amount
-- rule: fit-outside-train
-- why: Missing amounts become the mean of all, the later ones too.
-- written: before
{{ config(event_time='ts') }}

select event_id, ts, coalesce(amount, avg(amount) over ()) as amount
from {{ source('raw', 'events') }}
