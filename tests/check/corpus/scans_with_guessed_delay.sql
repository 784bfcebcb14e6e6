-- verdict: unsafe
-- rule: event-time-for-available
-- why: "Two days should be enough": a depot that is offline for three shows what nobody knew.
-- written: before
{{ config(event_time='scanned_at', available_after='2 days') }}

select shipment_id, scanned_at, depot
from {{ source('raw', 'scans') }}
