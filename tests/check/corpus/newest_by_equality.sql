-- verdict: unsafe
-- rule: latest-row
-- why: Joined where the version is the newest of all.
-- written: after
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, v.plan
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'customer_versions') }} as v
    on v.customer_id = r.customer_id
    and v.valid_from = (
        select max(n.valid_from) from {{ source('raw', 'customer_versions') }} as n where n.customer_id = r.customer_id
    )
