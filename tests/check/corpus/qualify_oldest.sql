-- verdict: safe
-- rule: latest-row
-- why: The oldest row stays the oldest.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select user_id, ts, kind as first_kind, amount as first_amount
from {{ source('raw', 'events') }}
qualify row_number() over (partition by user_id order by ts, event_id) = 1
