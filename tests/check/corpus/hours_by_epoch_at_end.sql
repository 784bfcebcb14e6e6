-- verdict: safe
-- rule: bucket-start
-- why: The hour by arithmetic on seconds, stamped at its end: right, if not easy to see.
-- written: before
{{ config(event_time='hour_end') }}

select
    item,
    to_timestamp((epoch_us(ts) // 3600000000 + 1) * 3600) as hour_end,
    count(*) as events
from {{ source('raw', 'events') }}
group by all
