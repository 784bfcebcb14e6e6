-- verdict: unsafe
-- columns: amount
-- rule: whole-partition
-- why: fill() draws a line from the amount before to the amount after.
-- data: week 1 8
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    fill(amount) over (partition by user_id order by ts) as amount
from {{ source('raw', 'events') }}
where ts is not null
