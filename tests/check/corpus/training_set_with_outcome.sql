-- verdict: unsafe
-- columns: depot
-- rule: label
-- why: The label rows are joined with what became of them, and beside the label stands another column of the outcome:
--      which depot will deliver is known when it has.
-- written: before
-- model: ts_outcome_asked
{{ config(materialized='table', role='label', event_time='ordered_at', horizon='60 days') }}

select
    o.order_id,
    o.customer_id,
    o.total,
    o.ordered_at,
    d.depot,
    d.delivered_at <= o.ordered_at + interval '3 days' as in_time
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d
    on d.order_id = o.order_id and d.delivered_at between o.ordered_at and o.ordered_at + interval '60 days'

-- model: training_set_with_outcome
{{ config(materialized='training_set', label='in_time', keys=['order_id']) }}

select
    q.order_id,
    q.ordered_at,
    q.total,
    q.depot,
    q.in_time
from {{ ref('ts_outcome_asked') }} as q
