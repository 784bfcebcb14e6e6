-- verdict: unsafe
-- columns: settled_7d, amount_7d, mean_7d
-- rule: event-time-for-available
-- why: The same in the middle of which the recorded time became the paid one.
-- written: before
{{ config(event_time='asked_at') }}

with requests as (

    select * from {{ source('raw', 'requests') }}

),

payments as (

    select * from {{ source('raw', 'payments') }}

),

settled as (

    select account_id, amount, paid_at as settled_at
    from payments
    where status = 'settled'

),

features as (

    select
        requests.request_id,
        requests.asked_at,
        count(settled.amount) as settled_7d,
        coalesce(sum(settled.amount), 0) as amount_7d
    from requests
    left join settled
        on settled.account_id = requests.account_id
        and settled.settled_at <= requests.asked_at
        and settled.settled_at > requests.asked_at - interval '7 days'
    group by 1, 2

),

final as (

    select *, amount_7d / nullif(settled_7d, 0) as mean_7d
    from features

)

select * from final
