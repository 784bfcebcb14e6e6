-- verdict: safe
-- rule: unbounded-join
-- why: What had been delivered when the question was asked.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, count(*) as deliveries
from {{ source('raw', 'requests') }} as r
join {{ source('raw', 'orders') }} as o on o.customer_id = r.customer_id and o.ordered_at <= r.asked_at
join {{ source('raw', 'deliveries') }} as d on d.order_id = o.order_id and d.delivered_at <= r.asked_at
group by r.request_id, r.asked_at
