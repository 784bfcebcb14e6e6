-- verdict: safe
-- rule: bucket-start
-- why: Cleaned, bucketed, stamped at the end of the day, joined by instant.
-- written: before
-- model: chain4_clean
select event_id, user_id, kind, amount, ts
from {{ source('raw', 'events') }}
where user_id is not null and amount is not null

-- model: chain4_daily
{{ config(event_time='day_end') }}

select user_id, date_trunc('day', ts) + interval '1 day' as day_end, sum(amount) as spent
from {{ ref('chain4_clean') }}
group by all

-- model: chain4_running
{{ config(event_time='day_end') }}

select user_id, day_end, sum(spent) over (partition by user_id order by day_end) as spent_so_far
from {{ ref('chain4_daily') }}

-- model: chain_of_four
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, d.spent_so_far
from {{ source('raw', 'requests') }} as r
asof left join {{ ref('chain4_running') }} as d on d.user_id = r.user_id and r.asked_at >= d.day_end
