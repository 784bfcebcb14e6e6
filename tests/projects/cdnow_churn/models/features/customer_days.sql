-- A row for each day on which a customer ordered, with what went before it: window functions that look back only.
{{ config(materialized='feature_view', entity='customer', event_time='known_utc') }}

with days as (
    select
        customer_id,
        order_date,
        known_utc,
        sum(amount) as last_day_spend
    from {{ ref('stg_orders') }}
    group by customer_id, order_date, known_utc
)

select
    customer_id,
    known_utc,
    last_day_spend,
    row_number() over past as n_order_days,
    order_date - lag(order_date) over past as gap_last_two_days
from days
window past as (partition by customer_id order by order_date)
