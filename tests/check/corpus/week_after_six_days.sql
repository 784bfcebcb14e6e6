-- verdict: unsafe
-- rule: bucket-start
-- why: Sunday's orders are in a row of Sunday's first minute.
-- written: before
{{ config(event_time='week_end') }}

select
    product_id,
    date_trunc('week', ordered_at) + interval '6 days' as week_end,
    sum(quantity) as units
from {{ source('raw', 'orders') }}
group by all
