-- verdict: unsafe
-- rule: latest-row
-- why: A row that is the newest today vanishes tomorrow: what was known at its time is gone.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select user_id, ts, kind as last_kind, amount as last_amount
from {{ source('raw', 'events') }}
qualify row_number() over (partition by user_id order by ts desc, event_id desc) = 1
