-- verdict: unsafe
-- rule: event-time-for-available
-- why: Only those that came within two days, and they are declared to be known after four hours.
-- data: day 1 13
-- written: after
{{ config(event_time='scanned_at', available_after='4 hours') }}

select shipment_id, scanned_at, depot
from {{ source('raw', 'scans') }}
where received_at <= scanned_at + interval '2 days'
