-- verdict: unsafe
-- rule: bucket-start
-- why: The last day of the month is its midnight, and orders are placed on that day too.
-- written: before
{{ config(event_time='closed_on') }}

select
    customer_id,
    cast(last_day(ordered_at) as timestamptz) as closed_on,
    sum(total) as ordered
from {{ source('raw', 'orders') }}
group by all
