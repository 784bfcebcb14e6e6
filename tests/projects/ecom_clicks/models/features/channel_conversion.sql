{{ config(materialized='feature_view', entity='channel', event_time='ts') }}

select
    acquisition_channel,
    ts,
    {{ window("count(*) filter (where event = 'purchase')", '7 days') }}
        / nullif({{ window('count(distinct session_id)', '7 days') }}, 0) as channel_conv_7d
from {{ ref('stg_events') }}
