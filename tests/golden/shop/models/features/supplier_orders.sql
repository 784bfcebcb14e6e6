{{ config(materialized='feature_view', entity='supplier', event_time='ordered_at', available_after='15 minutes',
          tie_breaker='order_id') }}
select s.supplier, o.ordered_at, o.order_id, o.amount
from {{ ref('staged') }} as o
join {{ ref('suppliers') }} as s using (product)
