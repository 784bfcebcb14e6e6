-- verdict: safe
-- rule: bucket-start
-- why: The day after the last day.
-- written: before
{{ config(event_time='closed_on') }}

select
    customer_id,
    cast(last_day(ordered_at) + 1 as timestamptz) as closed_on,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
