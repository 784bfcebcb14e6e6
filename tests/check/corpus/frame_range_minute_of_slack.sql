-- verdict: unsafe
-- columns: logins_near
-- rule: following-frame
-- why: One minute of following is enough: an event at 12:00:30 is counted in the row of 12:00:00.
-- data: day 2 0
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (
        partition by user_id order by ts range between interval '1 hour' preceding and interval '1 minute' following
    ) as logins_near
from {{ source('raw', 'events') }}
