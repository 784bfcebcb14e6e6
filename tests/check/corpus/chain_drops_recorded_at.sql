-- verdict: unsafe
-- columns: paid_30d
-- rule: dropped-available-at
-- why: The staging model passes the business time on and drops the time of recording; whoever joins it cannot know.
-- written: before
-- model: chain_drops_stg
select payment_id, account_id, amount, paid_at
from {{ source('raw', 'payments') }}

-- model: chain_drops_recorded_at
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    sum(p.amount) as paid_30d
from {{ source('raw', 'requests') }} as r
left join {{ ref('chain_drops_stg') }} as p
    on p.account_id = r.account_id
    and p.paid_at <= r.asked_at
    and p.paid_at > r.asked_at - interval '30 days'
group by r.request_id, r.asked_at
