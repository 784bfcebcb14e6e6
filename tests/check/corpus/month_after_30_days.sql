-- verdict: unsafe
-- rule: bucket-start
-- why: January has 31 days: an order of the evening of the 31st is in a row stamped with its morning.
-- data: quarter 3 25
-- written: before
{{ config(event_time='month_end') }}

select
    customer_id,
    date_trunc('month', ordered_at) + interval '30 days' as month_end,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
