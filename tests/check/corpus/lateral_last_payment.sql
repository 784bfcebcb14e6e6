-- verdict: safe
-- rule: latest-row
-- why: The newest of the payments recorded by then.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount as last_amount, p.status as last_status
from {{ source('raw', 'requests') }} as r
left join lateral (
    select q.amount, q.status
    from {{ source('raw', 'payments') }} as q
    where q.account_id = r.account_id and q.recorded_at <= r.asked_at
    order by q.recorded_at desc, q.payment_id desc, q.amount desc
    limit 1
) as p on true
