-- verdict: unsafe
-- columns: past_rate
-- rule: label-horizon
-- why: A feature view of answers, stamped with their questions: yesterday's answer is known in six days.
-- written: before
-- model: ts_past_asked
{{ config(materialized='table', role='label', event_time='asked_at', horizon='7 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at and e.ts <= r.asked_at + interval '7 days'
    ) as returns
from {{ source('raw', 'requests') }} as r

-- model: ts_past_rates
{{ config(materialized='feature_view', entity='user', event_time='asked_at', tie_breaker='request_id') }}

select
    user_id,
    asked_at,
    request_id,
    avg(returns::int) over (partition by user_id order by asked_at) as rate
from {{ ref('ts_past_asked') }}

-- model: training_set_with_past_labels
{{ config(materialized='training_set', label='returns', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    {{ feature('ts_past_rates.rate', strict=true) }} as past_rate,
    q.returns
from {{ ref('ts_past_asked') }} as q
