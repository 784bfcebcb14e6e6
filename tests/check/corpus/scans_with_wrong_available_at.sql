-- verdict: unsafe
-- rule: dropped-available-at
-- why: Declared anew, but as what it is not: the time of the scan is not that of the report.
-- written: before
{{ config(event_time='scanned_at', available_at='known_at') }}

select shipment_id, scanned_at, depot, scanned_at + interval '5 minutes' as known_at
from {{ source('raw', 'scans') }}
