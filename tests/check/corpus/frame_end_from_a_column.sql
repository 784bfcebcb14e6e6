-- verdict: unsafe
-- columns: near
-- rule: following-frame
-- why: How far the frame reaches is said by the row, and for views it says one further.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(amount) over (
        partition by user_id order by ts, event_id
        rows between 3 preceding and (case when kind = 'view' then 1 else 0 end) following
    ) as near
from {{ source('raw', 'events') }}
