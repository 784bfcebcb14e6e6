{{ config(materialized='training_set', label='big', keys=['order_id'], passthrough=['last_seen'],
          split={'train': '2024-01-01', 'test': '2024-01-02'}) }}
{%- set fresh = feature('spent.last_amount', ttl='2 days', strict=true) %}

select
    q.order_id,
    q.asked_at,
    q.product,
    {{ feature('spent.*', prefix='customer_') }},
    {{ fresh }} as fresh_amount,
    {{ fresh }} - {{ feature('spent.last_amount') }} as gap,
    {{ feature('spent.ordered_at') }} as last_seen,
    {{ feature('supplier_orders.amount', on={'supplier': feature('product_supplier.supplier')}) }} as supplier_amount,
    hour(q.asked_at) as asked_hour,
    q.big
from {{ ref('asked') }} as q
