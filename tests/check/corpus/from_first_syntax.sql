-- verdict: safe
-- rule: unread
-- why: DuckDB's short form.
-- written: before
{{ config(event_time='ts') }}

from {{ source('raw', 'events') }} select event_id, user_id, ts, amount where kind = 'purchase'
