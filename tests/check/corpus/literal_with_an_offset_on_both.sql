-- verdict: safe
-- rule: whole-relation
-- why: The same midnight on both sides, written in two zones.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select avg(e.amount) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts < timestamptz '2024-03-01 00:00:00-08'
    ) as usual
from {{ source('raw', 'requests') }} as r
where r.asked_at >= timestamptz '2024-03-01 08:00:00+00'
