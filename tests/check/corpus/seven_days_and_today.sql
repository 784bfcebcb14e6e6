-- verdict: unsafe
-- columns: units_7d, selling_days_7d
-- rule: bucket-start
-- why: "Between seven days ago and today" ends with the orders of tonight.
-- written: before
{{ config(event_time='asked_at') }}

with daily as (
    select product_id, ordered_at::date as day, sum(quantity) as units
    from {{ source('raw', 'orders') }}
    group by all
)

select
    r.request_id,
    r.asked_at,
    coalesce(sum(d.units), 0) as units_7d,
    count(d.day) as selling_days_7d
from {{ source('raw', 'requests') }} as r
left join daily as d
    on d.product_id = r.product_id
    and d.day between r.asked_at::date - 6 and r.asked_at::date
group by r.request_id, r.asked_at
