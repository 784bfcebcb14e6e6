-- verdict: unsafe
-- rule: bucket-start
-- why: The same at the start of the day.
-- written: before
{{ config(event_time='day') }}

with typed as (
    select user_id, kind, date_trunc('day', ts) as day
    from {{ source('raw', 'events') }}
)

select *
from typed
pivot (count(*) for kind in ('view', 'cart', 'purchase') group by user_id, day)
