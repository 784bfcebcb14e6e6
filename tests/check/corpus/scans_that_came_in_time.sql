-- verdict: safe
-- rule: event-time-for-available
-- why: Two days are enough for those scans that came within two days, and only they are here.
-- written: before
{{ config(event_time='scanned_at', available_after='2 days') }}

select shipment_id, scanned_at, depot
from {{ source('raw', 'scans') }}
where received_at <= scanned_at + interval '2 days'
