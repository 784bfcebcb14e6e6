-- verdict: unsafe
-- columns: plan
-- rule: latest-row
-- why: arg_max without a bound is the plan of today.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(v.plan, v.valid_from) from {{ source('raw', 'customer_versions') }} as v
        where v.customer_id = r.customer_id
    ) as plan
from {{ source('raw', 'requests') }} as r
