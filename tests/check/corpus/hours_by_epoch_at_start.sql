-- verdict: unsafe
-- rule: bucket-start
-- why: The same without the plus one: the row of 10:00 counts 10:59.
-- written: before
{{ config(event_time='hour_start') }}

select
    item,
    to_timestamp((epoch_us(ts) // 3600000000) * 3600) as hour_start,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
