-- verdict: unsafe
-- columns: user_usual
-- rule: whole-partition
-- why: The lookup is point-in-time, and what it finds holds the mean of the user's whole life.
-- written: before
-- model: ts_leaky_users
{{ config(materialized='feature_view', entity='user', event_time='ts', tie_breaker='event_id') }}

select
    user_id,
    ts,
    event_id,
    amount,
    avg(amount) over (partition by user_id) as usual
from {{ source('raw', 'events') }}

-- model: ts_leaky_asked
{{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at and e.ts <= r.asked_at + interval '1 day'
    ) as returns
from {{ source('raw', 'requests') }} as r

-- model: training_set_with_leaky_feature
{{ config(materialized='training_set', label='returns', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    {{ feature('ts_leaky_users.amount') }} as user_amount,
    {{ feature('ts_leaky_users.usual') }} as user_usual,
    q.returns
from {{ ref('ts_leaky_asked') }} as q
