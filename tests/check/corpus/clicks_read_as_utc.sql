-- verdict: safe
-- rule: slack-bound
-- why: Read as what it is.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(c.clicked_at) as clicks
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'clicks') }} as c
    on c.visitor_id = r.visitor_id
    and c.clicked_at at time zone 'UTC' <= r.asked_at
group by r.request_id, r.asked_at
