-- verdict: unsafe
-- rule: wrong-bound
-- why: Only the end is compared: versions that begin after the question have not ended at it either.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, v.plan
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'customer_versions') }} as v
    on v.customer_id = r.customer_id and (v.valid_to > r.asked_at or v.valid_to is null)
