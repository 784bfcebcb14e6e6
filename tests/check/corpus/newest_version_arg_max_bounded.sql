-- verdict: safe
-- rule: latest-row
-- why: With the bound it is the plan at the question.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(v.plan, (v.valid_from, v.plan)) from {{ source('raw', 'customer_versions') }} as v
        where v.customer_id = r.customer_id and v.valid_from <= r.asked_at
    ) as plan
from {{ source('raw', 'requests') }} as r
