{{ config(
    materialized='training_set',
    label='churn_90d',
    keys=['customer_id', 'cutoff'],
    split={'train': '1997-04-01', 'test': '1998-01-01'}
) }}

select
    f.customer_id,
    f.cutoff,
    f.asked_utc,
    date_diff('day', {{ feature('customer_last_order.last_order_date') }}, f.cutoff) as recency_days,
    date_diff('day', {{ feature('customer_orders.first_order_date') }}, f.cutoff) as tenure_days,
    {{ feature('customer_orders.n_orders') }},
    {{ feature('customer_days.n_order_days') }},
    {{ feature('customer_orders.n_orders_90d') }},
    {{ feature('customer_orders.spend_90d') }},
    {{ feature('customer_orders.spend_total') }},
    {{ feature('customer_orders.cds_total') }},
    {{ feature('customer_orders.max_order') }},
    {{ feature('customer_last_order.last_order_amount') }},
    {{ feature('customer_days.last_day_spend') }},
    {{ feature('customer_days.gap_last_two_days') }},
    f.churn_90d
from {{ ref('churn_asked') }} as f
