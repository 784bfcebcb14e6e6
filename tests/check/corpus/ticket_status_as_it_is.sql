-- verdict: unsafe
-- columns: outcome, priority
-- rule: in-place-update
-- why: A ticket's outcome is written when it is closed, and a priority is changed at any time: at the row's
--      own time neither is there.
-- written: after
{{ config(event_time='opened_at') }}

select ticket_id, customer_id, opened_at, outcome, priority
from {{ source('raw', 'tickets') }}
