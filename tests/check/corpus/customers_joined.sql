-- verdict: safe
-- rule: untimed
-- why: What never changes may be joined at any time.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    c.segment,
    c.country,
    date_diff('year', c.birth_date, cast(o.ordered_at as date)) as age
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'customers') }} as c using (customer_id)
