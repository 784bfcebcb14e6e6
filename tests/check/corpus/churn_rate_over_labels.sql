-- verdict: unsafe
-- columns: churn_rate
-- rule: label-horizon
-- why: A trailing window over a label model's rows: trailing in the time of the questions, not in that of the answers.
-- written: before
-- model: churn_rate_labels
{{ config(materialized='table', role='label', event_time='asked_at', horizon='3 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts between r.asked_at and r.asked_at + interval '3 days'
    ) as returned
from {{ source('raw', 'requests') }} as r

-- model: churn_rate_over_labels
{{ config(event_time='asked_at') }}

select
    request_id,
    user_id,
    asked_at,
    avg(returned::int) over (
        partition by user_id order by asked_at range between unbounded preceding and interval '1 second' preceding
    ) as churn_rate
from {{ ref('churn_rate_labels') }}
