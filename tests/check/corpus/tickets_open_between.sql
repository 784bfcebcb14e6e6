-- verdict: unsafe
-- columns: open_tickets
-- rule: in-place-update
-- why: BETWEEN wants an end, and of a ticket that is still open there is none by then; later there is.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*)
        from {{ source('raw', 'tickets') }} as t
        where t.customer_id = r.customer_id and r.asked_at between t.opened_at and t.closed_at
    ) as open_tickets
from {{ source('raw', 'requests') }} as r
