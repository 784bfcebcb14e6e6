-- verdict: unsafe
-- columns: solved
-- rule: in-place-update
-- why: What was opened by then may be closed, and its outcome written, long after.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*)
        from {{ source('raw', 'tickets') }} as t
        where t.customer_id = r.customer_id and t.opened_at <= r.asked_at and t.outcome = 'solved'
    ) as solved
from {{ source('raw', 'requests') }} as r
