-- verdict: unsafe
-- rule: bucket-start
-- why: A cast to whole seconds takes the fraction away.
-- data: day 1 32
-- written: after
{{ config(event_time='second') }}

select event_id, user_id, cast(cast(ts as timestamp) as timestamp_s) as second
from {{ source('raw', 'events') }}
