-- verdict: safe
-- rule: label
-- why: The same join, of which the inputs take only what the order itself says.
-- written: before
-- model: ts_outcomes_asked
{{ config(materialized='table', role='label', event_time='ordered_at', horizon='60 days') }}

select
    o.order_id,
    o.customer_id,
    o.total,
    o.ordered_at,
    d.delivered_at <= o.ordered_at + interval '3 days' as in_time
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d
    on d.order_id = o.order_id and d.delivered_at between o.ordered_at and o.ordered_at + interval '60 days'

-- model: training_set_of_outcomes
{{ config(materialized='training_set', label='in_time', keys=['order_id']) }}

select
    q.order_id,
    q.ordered_at,
    q.total,
    q.in_time
from {{ ref('ts_outcomes_asked') }} as q
