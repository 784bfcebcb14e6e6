-- verdict: unsafe
-- rule: clock
-- why: Rows of the 30 days before the run: built tomorrow, other rows.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
where ts >= current_timestamp - interval '3 days'
