-- verdict: unsafe
-- columns: plan
-- rule: latest-row
-- why: Deduplicated to the current plan before the join, as in every tutorial on clean dimensions.
-- written: before
{{ config(event_time='asked_at') }}

with current_plans as (
    select customer_id, plan
    from {{ source('raw', 'customer_versions') }}
    where customer_id is not null
    qualify row_number() over (partition by customer_id order by valid_from desc, plan) = 1
)

select r.request_id, r.asked_at, c.plan
from {{ source('raw', 'requests') }} as r
left join current_plans as c on c.customer_id = r.customer_id
