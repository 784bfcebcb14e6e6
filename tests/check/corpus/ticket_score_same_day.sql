-- verdict: unsafe
-- columns: score
-- rule: in-place-update
-- why: The score is written a day after the ticket was opened, and the row counts from an hour on.
-- written: after
{{ config(event_time='opened_at', available_after='1 hour') }}

select ticket_id, customer_id, opened_at, score
from {{ source('raw', 'tickets') }}
