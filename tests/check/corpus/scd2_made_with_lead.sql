-- verdict: safe
-- rule: in-place-update
-- why: The end of a version is a lead, but it is only asked whether it is after the question: as long as the next
--      version is not known, there is no end, and the answer is the same.
-- written: before
{{ config(event_time='asked_at') }}

with versions as (
    select
        customer_id,
        plan,
        valid_from,
        lead(valid_from) over (partition by customer_id order by valid_from, plan, city) as next_from
    from {{ source('raw', 'customer_versions') }}
)

select r.request_id, r.asked_at, v.plan
from {{ source('raw', 'requests') }} as r
join versions as v
    on v.customer_id = r.customer_id
    and v.valid_from <= r.asked_at
    and (r.asked_at < v.next_from or v.next_from is null)
