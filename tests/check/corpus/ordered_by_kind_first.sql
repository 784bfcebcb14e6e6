-- verdict: unsafe
-- columns: so_far
-- rule: following-frame
-- why: Ordered by kind and then by time, all carts come before the first view, whenever they were.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (
        partition by user_id order by kind, ts, event_id rows between unbounded preceding and current row
    ) as so_far
from {{ source('raw', 'events') }}
