-- verdict: safe
-- rule: unread
-- why: COLUMNS() applies a function to columns by their names.
-- written: before
{{ config(event_time='ts') }}

select event_id, ts, lower(columns('kind|item'))
from {{ source('raw', 'events') }}
