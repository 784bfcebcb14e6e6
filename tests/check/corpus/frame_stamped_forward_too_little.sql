-- verdict: unsafe
-- columns: events_within_hour
-- rule: following-frame
-- why: The row is stamped ten minutes before the hour that it counts is over.
-- data: day 1 13
-- written: before
{{ config(event_time='settled_at') }}

select
    event_id,
    user_id,
    ts + interval '50 minutes' as settled_at,
    count(*) over (
        partition by user_id order by ts range between current row and interval '1 hour' following
    ) as events_within_hour
from {{ source('raw', 'events') }}
