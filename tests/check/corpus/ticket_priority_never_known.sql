-- verdict: unsafe
-- rule: in-place-update
-- why: Which tickets are urgent is changed in place, so the rows that are there are others later on.
-- written: after
{{ config(event_time='opened_at') }}

select ticket_id, customer_id, opened_at
from {{ source('raw', 'tickets') }}
where priority = 1
