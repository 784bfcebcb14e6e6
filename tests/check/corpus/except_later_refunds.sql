-- verdict: unsafe
-- rule: future-existence
-- why: Users' days without a refund on them: a refund in the evening takes the row of the morning away.
-- data: week 1 11
-- written: before
{{ config(event_time='day_start') }}

select user_id, date_trunc('day', asked_at) + interval '12 hours' as day_start
from {{ source('raw', 'requests') }}
where hour(asked_at) < 12
except
select user_id, date_trunc('day', ts) + interval '12 hours'
from {{ source('raw', 'events') }}
where kind = 'refund'
