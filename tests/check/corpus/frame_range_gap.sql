-- verdict: safe
-- rule: following-frame
-- why: A frame that ends an hour before the row.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (
        partition by user_id order by ts range between interval '7 days' preceding and interval '1 hour' preceding
    ) as events_before
from {{ source('raw', 'events') }}
