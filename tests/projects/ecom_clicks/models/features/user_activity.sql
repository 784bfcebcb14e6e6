{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts,
    {{ window('count(*)', '30 minutes') }} as user_events_30m,
    {{ window("count(*) filter (where event = 'product_view')", '7 days') }} as user_product_views_7d,
    {{ window("count(*) filter (where event = 'purchase')", 'unbounded') }} as user_purchases_total,
    {{ window("max(ts) filter (where event = 'purchase')", 'unbounded') }} as last_purchase_ts,
    {{ window('count(distinct session_id)', 'unbounded') }} as user_sessions_so_far,
    {{ window('count(*)', '30 days') }} as events_30d
from {{ ref('stg_events') }}
