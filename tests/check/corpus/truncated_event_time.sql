-- verdict: unsafe
-- rule: bucket-start
-- why: Rounded down to the minute for a prettier join key, every row is up to a minute early.
-- data: day 1 32
-- written: before
{{ config(event_time='minute') }}

select event_id, user_id, amount, date_trunc('minute', ts) as minute
from {{ source('raw', 'events') }}
