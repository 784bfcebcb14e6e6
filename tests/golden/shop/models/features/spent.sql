{{ config(materialized='feature_view', entity='customer', event_time='ordered_at', ttl='30 days') }}

with kept as (
    select * from {{ ref('staged') }} where amount is not null
)
select
    customer,
    ordered_at,
    loaded_at,
    amount as last_amount,
    {{ window('count(*)', var('lengths'), name='orders') }},
    {{ window("sum(amount) filter (where product = 'tea')", 'unbounded') }} as spent_on_tea,
    {{ window('avg(amount)', '7 days') }} / nullif({{ window('avg(amount)', '7 days', offset='7 days') }}, 0) as trend,
    coalesce({{ window('count(distinct product)', '1 month') }}, 0) as products_1mo,
    {{ window("string_agg(product, '>' order by amount desc)", '3 hours') }} as path_3h
from kept
