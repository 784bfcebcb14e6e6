-- verdict: safe
-- rule: wrong-bound
-- why: The open end as a date far away.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, v.plan
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'customer_versions') }} as v
    on v.customer_id = r.customer_id
    and r.asked_at between v.valid_from and coalesce(v.valid_to, timestamptz '9999-12-31 00:00:00+00')
