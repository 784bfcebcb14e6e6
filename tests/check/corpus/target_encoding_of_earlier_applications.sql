-- verdict: unsafe
-- columns: purpose_rate
-- rule: unbounded-join
-- why: The applications are earlier; their outcomes are not: a loan of last week defaults next year.
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
    on o.application_id = before.application_id
group by a.application_id, a.applied_at
