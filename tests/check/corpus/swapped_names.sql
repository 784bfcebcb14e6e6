-- verdict: unsafe
-- rule: dropped-available-at
-- why: The column is called recorded_at and holds the business time.
-- written: after
{{ config(event_time='paid_at') }}

select * replace (paid_at as recorded_at)
from {{ source('raw', 'payments') }}
