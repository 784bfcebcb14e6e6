-- verdict: safe
-- rule: bucket-start
-- why: The daily model is stamped at the start of the day; who reads it allows for the day.
-- written: before
-- model: chain_bucket_daily
{{ config(event_time='day', available_after='1 day') }}

select user_id, date_trunc('day', ts) as day, sum(amount) as spent
from {{ source('raw', 'events') }}
group by all

-- model: chain_mends_the_bucket
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, sum(d.spent) as spent_7d
from {{ source('raw', 'requests') }} as r
left join {{ ref('chain_bucket_daily') }} as d
    on d.user_id = r.user_id
    and d.day <= r.asked_at - interval '1 day'
    and d.day > r.asked_at - interval '8 days'
group by r.request_id, r.asked_at
