-- verdict: safe
-- rule: unbounded-join
-- why: The style of many a warehouse: import CTEs, logic CTEs, a final one.
-- written: before
{{ config(event_time='asked_at') }}

with requests as (

    select * from {{ source('raw', 'requests') }}

),

payments as (

    select * from {{ source('raw', 'payments') }}

),

settled as (

    select account_id, merchant_id, amount, recorded_at
    from payments
    where status = 'settled'

),

features as (

    select
        requests.request_id,
        requests.asked_at,
        count(settled.amount) as settled_7d,
        count(distinct settled.merchant_id) as merchants_7d,
        coalesce(sum(settled.amount), 0) as amount_7d
    from requests
    left join settled
        on settled.account_id = requests.account_id
        and settled.recorded_at <= requests.asked_at
        and settled.recorded_at > requests.asked_at - interval '7 days'
    group by 1, 2

),

final as (

    select *, amount_7d / nullif(settled_7d, 0) as mean_7d
    from features

)

select * from final
