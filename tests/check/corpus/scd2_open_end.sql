-- verdict: safe
-- rule: wrong-bound
-- why: The version that holds at the question; the current one has no end.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, v.plan, v.city
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'customer_versions') }} as v
    on v.customer_id = r.customer_id
    and v.valid_from <= r.asked_at
    and (r.asked_at < v.valid_to or v.valid_to is null)
