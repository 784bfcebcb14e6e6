-- verdict: unsafe
-- columns: kind_rate
-- rule: fit-outside-train
-- why: The mean of the target by category over all rows, the row's own target and the test's rows among them.
-- written: before
{{ config(event_time='applied_at') }}

with joined as (
    select
        a.application_id,
        a.purpose,
        a.applied_at,
        (select bool_or(o.defaulted) from {{ source('raw', 'outcomes') }} as o
            where o.application_id = a.application_id) as defaulted
    from {{ source('raw', 'applications') }} as a
),

rates as (
    select purpose, avg(defaulted::int) as kind_rate from joined group by purpose
)

select j.application_id, j.applied_at, r.kind_rate
from joined as j
left join rates as r using (purpose)
