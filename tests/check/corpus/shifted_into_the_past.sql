-- verdict: unsafe
-- rule: bucket-start
-- why: A row that is known at ts is stamped an hour before.
-- written: before
{{ config(event_time='asked_at') }}

select
    event_id,
    user_id,
    amount,
    ts - interval '1 hour' as asked_at
from {{ source('raw', 'events') }}
