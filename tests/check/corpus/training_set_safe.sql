-- verdict: safe
-- rule: label
-- why: Features of views by account and device, on-demand features of the request, and the label as the label.
-- written: before
-- model: ts_safe_accounts
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select
    account_id,
    paid_at,
    recorded_at,
    amount as last_amount,
    {{ window('count(*)', '7 days') }} as payments_7d
from {{ source('raw', 'payments') }}

-- model: ts_safe_devices
{{ config(materialized='feature_view', entity='device', event_time='hour_ts', ttl='6 hours', tie_breaker='temp') }}

select device_id, hour_ts, temp
from {{ source('raw', 'sensor') }}

-- model: ts_safe_asked
{{ config(materialized='table', role='label', event_time='asked_at', horizon='7 days') }}

select
    r.request_id,
    r.account_id,
    r.device_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id and p.recorded_at between r.asked_at and r.asked_at + interval '7 days'
    ) as pays
from {{ source('raw', 'requests') }} as r

-- model: training_set_safe
{{ config(materialized='training_set', label='pays', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    hour(q.asked_at) as hour,
    {{ feature('ts_safe_accounts.last_amount') }},
    {{ feature('ts_safe_accounts.payments_7d') }},
    {{ feature('ts_safe_devices.temp') }},
    {{ feature('ts_safe_devices.temp') }} - {{ feature('ts_safe_accounts.last_amount') }} as difference,
    q.pays
from {{ ref('ts_safe_asked') }} as q
