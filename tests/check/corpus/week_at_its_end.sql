-- verdict: safe
-- rule: bucket-start
-- why: Weeks from Monday to Monday.
-- written: before
{{ config(event_time='week_end') }}

select
    product_id,
    date_trunc('week', ordered_at) + interval '7 days' as week_end,
    sum(quantity) as units
from {{ source('raw', 'orders') }}
group by all
