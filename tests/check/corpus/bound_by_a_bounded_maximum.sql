-- verdict: safe
-- rule: unbounded-join
-- why: Payments up to the last event before the question.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select sum(p.amount) from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id
            and p.recorded_at <= (
                select max(e.ts) from {{ source('raw', 'events') }} as e
                where e.user_id = r.user_id and e.ts <= r.asked_at
            )
    ) as paid
from {{ source('raw', 'requests') }} as r
