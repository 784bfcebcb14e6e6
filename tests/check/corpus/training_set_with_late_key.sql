-- verdict: unsafe
-- columns: depot_scans
-- rule: label
-- why: The lookup is point-in-time, but its key is the depot that will deliver, and that is known when it has.
-- written: after
-- model: late_key_depots
{{ config(materialized='feature_view', entity='depot', event_time='scanned_at', tie_breaker='shipment_id') }}

select
    depot,
    scanned_at,
    received_at,
    shipment_id,
    count(*) over (partition by depot order by received_at) as scans
from {{ source('raw', 'scans') }}

-- model: late_key_asked
{{ config(materialized='table', role='label', event_time='ordered_at', horizon='60 days') }}

select
    o.order_id,
    o.total,
    o.ordered_at,
    d.depot,
    d.delivered_at <= o.ordered_at + interval '3 days' as in_time
from {{ source('raw', 'orders') }} as o
join {{ source('raw', 'deliveries') }} as d
    on d.order_id = o.order_id and d.delivered_at between o.ordered_at and o.ordered_at + interval '60 days'

-- model: training_set_with_late_key
{{ config(materialized='training_set', label='in_time', keys=['order_id']) }}

select
    q.order_id,
    q.ordered_at,
    q.total,
    {{ feature('late_key_depots.scans', on={'depot': 'q.depot'}) }} as depot_scans,
    q.in_time
from {{ ref('late_key_asked') }} as q
