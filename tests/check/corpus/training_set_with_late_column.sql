-- verdict: unsafe
-- columns: amount_paid
-- rule: label
-- why: Beside its label the label model has the amount that was paid in those seven days, and it became an input.
-- written: before
-- model: ts_late_asked
{{ config(materialized='table', role='label', event_time='asked_at', horizon='7 days') }}

select
    r.request_id,
    r.account_id,
    r.asked_at,
    sum(p.amount) as amount_paid,
    count(p.amount) > 0 as pays
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'payments') }} as p
    on p.account_id = r.account_id and p.recorded_at between r.asked_at and r.asked_at + interval '7 days'
group by r.request_id, r.account_id, r.asked_at

-- model: training_set_with_late_column
{{ config(materialized='training_set', label='pays', keys=['request_id']) }}

select
    q.request_id,
    q.asked_at,
    q.amount_paid,
    dayofweek(q.asked_at) as weekday,
    q.pays
from {{ ref('ts_late_asked') }} as q
