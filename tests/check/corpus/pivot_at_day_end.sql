-- verdict: safe
-- rule: bucket-start
-- why: A column for each kind, by day, stamped at its end.
-- written: before
{{ config(event_time='day_end') }}

with typed as (
    select user_id, kind, date_trunc('day', ts) + interval '1 day' as day_end
    from {{ source('raw', 'events') }}
)

select *
from typed
pivot (count(*) for kind in ('view', 'cart', 'purchase') group by user_id, day_end)
