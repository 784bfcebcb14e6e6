-- verdict: unsafe
-- rule: whole-group
-- why: The grand totals get an event time after all, the beginning of the data.
-- written: before
{{ config(event_time='day_end') }}

select
    user_id,
    coalesce(date_trunc('day', ts) + interval '1 day', timestamptz '2024-01-01 00:00:00+00') as day_end,
    count(*) as events
from {{ source('raw', 'events') }}
where ts is not null
group by grouping sets ((user_id, date_trunc('day', ts)), (user_id))
