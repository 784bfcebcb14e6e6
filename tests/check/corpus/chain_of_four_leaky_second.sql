-- verdict: unsafe
-- columns: spent_so_far
-- rule: bucket-start
-- why: The second of four stamps its days at their start, and the last one believes it.
-- written: before
-- model: chain4b_clean
select event_id, user_id, kind, amount, ts
from {{ source('raw', 'events') }}
where user_id is not null and amount is not null

-- model: chain4b_daily
{{ config(event_time='day') }}

select user_id, date_trunc('day', ts) as day, sum(amount) as spent
from {{ ref('chain4b_clean') }}
group by all

-- model: chain4b_running
{{ config(event_time='day') }}

select user_id, day, sum(spent) over (partition by user_id order by day) as spent_so_far
from {{ ref('chain4b_daily') }}

-- model: chain_of_four_leaky_second
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, d.spent_so_far
from {{ source('raw', 'requests') }} as r
asof left join {{ ref('chain4b_running') }} as d on d.user_id = r.user_id and r.asked_at >= d.day
