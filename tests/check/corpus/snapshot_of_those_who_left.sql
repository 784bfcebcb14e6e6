-- verdict: unsafe
-- rule: future-existence
-- why: HAVING asks whether the last event was before March: one in April takes the row away.
-- written: after
{{ config(event_time='as_of') }}

select user_id, count(*) as events, timestamptz '2024-03-01 00:00:00+00' as as_of
from {{ source('raw', 'events') }}
group by user_id
having max(ts) < timestamptz '2024-03-01 00:00:00+00'
