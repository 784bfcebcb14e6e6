-- verdict: unsafe
-- rule: unbounded-join
-- why: The amounts are guarded by CASE, and still every later payment adds a row of nulls.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    case when p.recorded_at <= r.asked_at then p.amount end as amount
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'payments') }} as p on p.account_id = r.account_id
