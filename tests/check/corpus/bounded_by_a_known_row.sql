-- verdict: safe
-- rule: unbounded-join
-- why: Payments up to the user's last event, and where there is none, none.
-- written: after
{{ config(event_time='asked_at') }}

with anchored as (
    select
        r.request_id,
        r.account_id,
        r.asked_at,
        (
            select max(e.ts) from {{ source('raw', 'events') }} as e
            where e.user_id = r.user_id and e.ts <= r.asked_at
        ) as last_ts
    from {{ source('raw', 'requests') }} as r
)

select
    a.request_id,
    a.asked_at,
    (
        select count(*) from {{ source('raw', 'payments') }} as p
        where p.account_id = a.account_id and p.recorded_at <= a.last_ts
    ) as payments
from anchored as a
