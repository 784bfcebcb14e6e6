-- verdict: unsafe
-- rule: bucket-start
-- why: A date put together from year and month is the first of the month.
-- written: before
{{ config(event_time='month') }}

select
    customer_id,
    make_timestamp(year(ordered_at), month(ordered_at), 1, 0, 0, 0) as month,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
