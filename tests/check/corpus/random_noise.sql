-- verdict: unsafe
-- columns: noisy
-- rule: random
-- why: Another number at every run.
-- written: before
{{ config(event_time='ts') }}

select event_id, ts, amount + random() as noisy
from {{ source('raw', 'events') }}
