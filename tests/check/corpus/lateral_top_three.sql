-- verdict: safe
-- rule: whole-relation
-- why: The mean of the three largest payments known: the limit chooses among the past.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, top.mean_top_3
from {{ source('raw', 'requests') }} as r,
lateral (
    select avg(amount) as mean_top_3
    from (
        select q.amount
        from {{ source('raw', 'payments') }} as q
        where q.account_id = r.account_id and q.recorded_at <= r.asked_at
        order by q.amount desc nulls last
        limit 3
    )
) as top
