-- verdict: unsafe
-- columns: paid_30d
-- rule: event-time-for-available
-- why: One of the two is bounded by the business time: a payment made before and recorded after is in it.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select sum(p.amount)
        from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id
            and p.paid_at <= r.asked_at
            and p.paid_at > r.asked_at - interval '30 days'
    ) as paid_30d,
    (
        select count(distinct p.merchant_id)
        from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id and p.recorded_at < r.asked_at
    ) as merchants
from {{ source('raw', 'requests') }} as r
