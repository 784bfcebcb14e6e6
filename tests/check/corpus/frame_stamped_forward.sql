-- verdict: safe
-- rule: following-frame
-- why: The hour after an event is looked at, and the row is stamped with the end of that hour.
-- written: before
{{ config(event_time='settled_at') }}

select
    event_id,
    user_id,
    ts + interval '1 hour' as settled_at,
    count(*) over (
        partition by user_id order by ts range between current row and interval '1 hour' following
    ) as events_within_hour
from {{ source('raw', 'events') }}
