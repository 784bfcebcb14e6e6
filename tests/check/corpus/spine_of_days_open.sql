-- verdict: unsafe
-- columns: ordered_today
-- rule: bucket-start
-- why: The row of a day at 00:00 holds that day's orders.
-- written: before
{{ config(materialized='feature_view', entity='customer', event_time='day') }}

with daily as (
    select customer_id, ordered_at::date as day, sum(total) as ordered
    from {{ source('raw', 'orders') }}
    where customer_id is not null
    group by all
),

spine as (
    select c.customer_id, k.day
    from {{ source('raw', 'customers') }} as c
    cross join {{ source('raw', 'calendar') }} as k
)

select
    s.customer_id,
    cast(s.day as timestamptz) as day,
    coalesce(d.ordered, 0) as ordered_today
from spine as s
left join daily as d using (customer_id, day)
