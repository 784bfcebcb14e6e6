-- verdict: safe
-- rule: delay-ignored
-- why: A row of a view is usable from the later of its two times; joined from then on it is what it was.
-- written: before
-- model: joined_account_view
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select account_id, paid_at, recorded_at, {{ window('sum(amount)', '7 days') }} as paid_7d
from {{ source('raw', 'payments') }}

-- model: window_view_joined
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, max(v.paid_7d) as max_paid_7d
from {{ source('raw', 'requests') }} as r
left join {{ ref('joined_account_view') }} as v
    on v.account_id = r.account_id and v.paid_at <= r.asked_at and v.recorded_at <= r.asked_at
group by r.request_id, r.asked_at
