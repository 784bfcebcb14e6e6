-- Frequency and spend: functions of time over all orders of a customer.
{{ config(materialized='feature_view', entity='customer', event_time='known_utc') }}

select
    customer_id,
    known_utc,
    {{ window('min(order_date)', 'unbounded') }} as first_order_date,
    {{ window('count(*)', 'unbounded') }} as n_orders,
    {{ window('count(*)', '90 days') }} as n_orders_90d,
    coalesce({{ window('sum(amount)', '90 days') }}, 0) as spend_90d,
    {{ window('sum(amount)', 'unbounded') }} as spend_total,
    {{ window('sum(cds)', 'unbounded') }} as cds_total,
    {{ window('max(amount)', 'unbounded') }} as max_order
from {{ ref('stg_orders') }}
