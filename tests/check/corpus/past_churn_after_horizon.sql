-- verdict: safe
-- rule: label-horizon
-- why: The labels of questions that are at least a week old: their horizon has passed.
-- written: before
-- model: past_churn_labels_2
{{ config(materialized='table', role='label', event_time='asked_at', horizon='7 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    not exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at and e.ts <= r.asked_at + interval '7 days'
    ) as churned
from {{ source('raw', 'requests') }} as r

-- model: past_churn_after_horizon
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select avg(l.churned::int) from {{ ref('past_churn_labels_2') }} as l
        where l.user_id = r.user_id and l.asked_at <= r.asked_at - interval '7 days'
    ) as churn_rate
from {{ source('raw', 'requests') }} as r
