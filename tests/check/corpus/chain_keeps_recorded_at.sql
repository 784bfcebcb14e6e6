-- verdict: safe
-- rule: dropped-available-at
-- why: The staging model renames the time of recording, and the feature bounds by it.
-- written: before
-- model: chain_keeps_stg
{{ config(event_time='paid_at', available_at='known_at') }}

select payment_id, account_id, amount, paid_at, recorded_at as known_at
from {{ source('raw', 'payments') }}

-- model: chain_keeps_recorded_at
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    sum(p.amount) as paid_30d
from {{ source('raw', 'requests') }} as r
left join {{ ref('chain_keeps_stg') }} as p
    on p.account_id = r.account_id
    and p.known_at <= r.asked_at
    and p.paid_at > r.asked_at - interval '30 days'
group by r.request_id, r.asked_at
