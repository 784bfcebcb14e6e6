-- verdict: safe
-- rule: fit-outside-train
-- why: The default rate of a purpose among the loans that were decided when this one was asked for.
-- written: before
{{ config(event_time='applied_at') }}

select
    a.application_id,
    a.applied_at,
    avg(o.defaulted::int) as purpose_rate
from {{ source('raw', 'applications') }} as a
left join {{ source('raw', 'applications') }} as before
    on before.purpose = a.purpose and before.applied_at < a.applied_at
left join {{ source('raw', 'outcomes') }} as o
    on o.application_id = before.application_id and o.decided_at <= a.applied_at
group by a.application_id, a.applied_at
