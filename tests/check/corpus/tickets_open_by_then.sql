-- verdict: safe
-- rule: in-place-update
-- why: A ticket that is not closed yet, or closed after the question, was open by then: that is known by then.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*)
        from {{ source('raw', 'tickets') }} as t
        where t.customer_id = r.customer_id
            and t.opened_at <= r.asked_at
            and (t.closed_at is null or t.closed_at > r.asked_at)
    ) as open_tickets
from {{ source('raw', 'requests') }} as r
