-- verdict: unsafe
-- columns: days_ago
-- rule: clock
-- why: How long ago the question was, counted from the run.
-- written: before
-- model: ts_clock_asked
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

-- model: training_set_with_clock
{{ config(materialized='training_set', label='returns', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    date_diff('day', q.asked_at, now()) as days_ago,
    hour(q.asked_at) as hour,
    q.returns
from {{ ref('ts_clock_asked') }} as q
