-- verdict: safe
-- rule: following-frame
-- why: Ordered newest first, what follows is older: this is the running total the other way round. Rows without a
--      time, which would stand at the end, are left out.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over (
        partition by user_id order by ts desc, event_id desc rows between current row and unbounded following
    ) as spent_so_far
from {{ source('raw', 'events') }}
where ts is not null
