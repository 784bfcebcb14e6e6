-- verdict: unsafe
-- columns: last_amount, last_status
-- rule: latest-row
-- why: The newest of all payments, which for most questions is a later one.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, p.amount as last_amount, p.status as last_status
from {{ source('raw', 'requests') }} as r
left join lateral (
    select q.amount, q.status
    from {{ source('raw', 'payments') }} as q
    where q.account_id = r.account_id
    order by q.recorded_at desc, q.payment_id desc, q.amount desc
    limit 1
) as p on true
