{{ config(
    materialized='training_set',
    label='label',
    keys=['event_id'],
    split={'train': '2024-01-01', 'test': '2024-05-01'}
) }}

select
    f.event_id,
    f.prediction_ts,
    {{ feature('user_activity.user_events_30m') }},
    {{ feature('user_activity.user_product_views_7d') }},
    {{ feature('user_activity.user_purchases_total') }},
    date_sub('second', {{ feature('user_activity.last_purchase_ts') }}, f.prediction_ts) as secs_since_last_purchase,
    {{ feature('user_activity.user_sessions_so_far') }},
    {{ feature('user_events.event', strict=true) }} as user_prev_event,
    date_sub('second', {{ feature('sessions.started_ts') }}, f.prediction_ts) as session_secs,
    {{ feature('channel_conversion.channel_conv_7d') }},
    {{ feature('payment_errors.global_payment_errors_24h') }},
    f.label
from {{ ref('asked') }} as f
