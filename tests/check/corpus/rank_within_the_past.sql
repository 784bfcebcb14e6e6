-- verdict: safe
-- rule: rank-partition
-- why: The rank of an amount among what came before, by counting in a correlated subquery.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    (
        select count(*)
        from {{ source('raw', 'events') }} as p
        where p.user_id = e.user_id and p.ts < e.ts and p.amount > e.amount
    ) + 1 as amount_rank
from {{ source('raw', 'events') }} as e
