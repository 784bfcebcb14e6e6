{{ config(materialized='feature_view', entity='session', event_time='ts') }}

select
    session_id,
    ts,
    {{ window('min(ts)', 'unbounded') }} as started_ts
from {{ ref('stg_events') }}
