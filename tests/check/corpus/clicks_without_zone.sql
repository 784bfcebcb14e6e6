-- verdict: safe
-- rule: unknown-condition
-- why: A TIMESTAMP without a zone is UTC, and so it compares with an instant as it should.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(c.clicked_at) as clicks_7d,
    sum(c.cost) as cost_7d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'clicks') }} as c
    on c.visitor_id = r.visitor_id
    and c.clicked_at <= r.asked_at
    and c.clicked_at > r.asked_at - interval '7 days'
group by r.request_id, r.asked_at
