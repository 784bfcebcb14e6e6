-- verdict: safe
-- rule: bucket-start
-- why: A row for every customer and every day of the calendar, and in it what was ordered on the seven days before.
-- written: before
{{ config(materialized='feature_view', entity='customer', event_time='day', available_after='0 minutes') }}

with daily as (
    select customer_id, ordered_at::date as day, sum(total) as ordered
    from {{ source('raw', 'orders') }}
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
    coalesce(sum(d.ordered), 0) as ordered_7d
from spine as s
left join daily as d
    on d.customer_id = s.customer_id and d.day < s.day and d.day >= s.day - 7
group by s.customer_id, s.day
