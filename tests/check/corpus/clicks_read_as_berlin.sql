-- verdict: unsafe
-- columns: clicks
-- rule: slack-bound
-- why: 12:30 UTC read as a clock in Berlin is 11:30 UTC, and so counts at 12:00.
-- data: day 1 3
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(c.clicked_at) as clicks
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'clicks') }} as c
    on c.visitor_id = r.visitor_id
    and c.clicked_at at time zone 'Europe/Berlin' <= r.asked_at
group by r.request_id, r.asked_at
