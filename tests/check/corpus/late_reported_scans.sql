-- verdict: safe
-- rule: dropped-available-at
-- why: A depot that was offline reports later; the view keeps the time of the report under a name of its own.
-- written: before
{{ config(materialized='feature_view', entity='shipment', event_time='scanned_at', available_at='reported_at') }}

select
    shipment_id,
    scanned_at,
    received_at as reported_at,
    depot,
    date_diff('minute', scanned_at, received_at) as report_delay
from {{ source('raw', 'scans') }}
