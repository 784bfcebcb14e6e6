-- verdict: unsafe
-- columns: last_amount, since_last
-- rule: wrong-bound
-- why: The sign is turned: the first event not before the question.
-- written: before
{{ config(event_time='asked_at') }}

with latest as (
    select user_id, ts, max(amount) as amount
    from {{ source('raw', 'events') }}
    group by user_id, ts
)

select r.request_id, r.asked_at, l.amount as last_amount, r.asked_at - l.ts as since_last
from {{ source('raw', 'requests') }} as r
asof left join latest as l on r.user_id = l.user_id and r.asked_at <= l.ts
