-- verdict: unsafe
-- columns: so_far
-- rule: following-frame
-- why: Ascending in the negative of time is descending in time.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (partition by user_id order by -epoch_us(ts)) as so_far
from {{ source('raw', 'events') }}
