-- verdict: unsafe
-- rule: dropped-available-at
-- why: Without the time of the report a scan counts as known when it was made.
-- written: before
{{ config(materialized='feature_view', entity='shipment', event_time='scanned_at') }}

select shipment_id, scanned_at, depot
from {{ source('raw', 'scans') }}
