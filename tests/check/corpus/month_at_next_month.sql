-- verdict: safe
-- rule: bucket-start
-- why: A month is over when the next one begins.
-- written: before
{{ config(event_time='month_end') }}

select
    customer_id,
    date_trunc('month', ordered_at) + interval '1 month' as month_end,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
