-- verdict: safe
-- rule: bucket-start
-- why: No month is longer.
-- written: before
{{ config(event_time='month', available_after='31 days') }}

select
    customer_id,
    date_trunc('month', ordered_at) as month,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
