-- verdict: unsafe
-- columns: open_tickets
-- rule: in-place-update
-- why: That a ticket has no end today does not say that it had none then, and the other way round.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*)
        from {{ source('raw', 'tickets') }} as t
        where t.customer_id = r.customer_id and t.opened_at <= r.asked_at and t.closed_at is null
    ) as open_tickets
from {{ source('raw', 'requests') }} as r
