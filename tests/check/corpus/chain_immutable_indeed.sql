-- verdict: safe
-- rule: untimed
-- why: Counted from what never changes, it never changes.
-- written: before
-- model: customers_by_country
{{ config(immutable=true) }}

select country, count(*) as customers
from {{ source('raw', 'customers') }}
group by country

-- model: chain_immutable_indeed
{{ config(event_time='ordered_at') }}

select o.order_id, o.ordered_at, c.country, n.customers
from {{ source('raw', 'orders') }} as o
left join {{ source('raw', 'customers') }} as c using (customer_id)
left join {{ ref('customers_by_country') }} as n using (country)
