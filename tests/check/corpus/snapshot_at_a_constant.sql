-- verdict: safe
-- rule: whole-group
-- why: What was there before March, stamped with its beginning.
-- written: after
{{ config(event_time='as_of') }}

select user_id, count(*) as events, max(ts) as last_ts, timestamptz '2024-03-01 00:00:00+00' as as_of
from {{ source('raw', 'events') }}
where ts < timestamptz '2024-03-01 00:00:00+00'
group by user_id
