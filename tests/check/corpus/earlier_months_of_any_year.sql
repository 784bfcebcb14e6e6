-- verdict: unsafe
-- columns: ordered_in_earlier_months
-- rule: unknown-condition
-- why: January 2025 is a smaller month than March 2024, and ten months later.
-- written: before
{{ config(event_time='ordered_at') }}

select
    o.order_id,
    o.ordered_at,
    sum(p.total) as ordered_in_earlier_months
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'orders') }} as p
    on p.customer_id = o.customer_id and month(p.ordered_at) < month(o.ordered_at)
group by o.order_id, o.ordered_at
