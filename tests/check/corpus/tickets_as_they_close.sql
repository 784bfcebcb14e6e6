-- verdict: safe
-- rule: in-place-update
-- why: A row counts from the closing, when all of it but the priority is written; what has no end is left out.
-- written: after
{{ config(event_time='known_at') }}

select ticket_id, customer_id, greatest(opened_at, closed_at) as known_at, outcome
from {{ source('raw', 'tickets') }}
where opened_at is not null and closed_at is not null
