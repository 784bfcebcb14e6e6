-- verdict: unsafe
-- columns: lifetime_value
-- rule: whole-group
-- why: Declared immutable, and computed from orders that keep coming in.
-- written: before
-- model: lifetime_values
{{ config(immutable=true) }}

select customer_id, sum(total) as lifetime_value
from {{ source('raw', 'orders') }}
where customer_id is not null
group by customer_id

-- model: chain_immutable_in_name_only
{{ config(event_time='ordered_at') }}

select o.order_id, o.ordered_at, v.lifetime_value
from {{ source('raw', 'orders') }} as o
left join {{ ref('lifetime_values') }} as v using (customer_id)
