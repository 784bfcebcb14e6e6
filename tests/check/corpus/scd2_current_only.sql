-- verdict: unsafe
-- rule: unbounded-join
-- why: The plan of today joined to the questions of last year.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, v.plan
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'customer_versions') }} as v
    on v.customer_id = r.customer_id and v.valid_to is null
