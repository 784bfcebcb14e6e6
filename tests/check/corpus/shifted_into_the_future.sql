-- verdict: safe
-- rule: bucket-start
-- why: A processing delay of five minutes, written into the stamp.
-- written: before
{{ config(event_time='processed_at') }}

select
    event_id,
    user_id,
    amount,
    ts + interval '5 minutes' as processed_at
from {{ source('raw', 'events') }}
