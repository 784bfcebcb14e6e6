-- verdict: safe
-- rule: whole-group
-- why: Equal rows have equal instants.
-- written: before
{{ config(event_time='ts') }}

select distinct user_id, kind, ts
from {{ source('raw', 'events') }}
