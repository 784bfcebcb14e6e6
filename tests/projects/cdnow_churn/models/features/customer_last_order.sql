-- The last order; of several on one day the one with the greatest id.
{{ config(materialized='feature_view', entity='customer', event_time='known_utc', tie_breaker=['order_id']) }}

select
    customer_id,
    known_utc,
    order_id,
    order_date as last_order_date,
    amount as last_order_amount
from {{ ref('stg_orders') }}
