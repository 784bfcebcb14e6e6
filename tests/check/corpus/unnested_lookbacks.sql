-- verdict: safe
-- rule: unbounded-join
-- why: Three windows of a day each before every question, one row each.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    n.days_ago,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id
            and e.ts <= r.asked_at - n.days_ago * interval '1 day'
            and e.ts > r.asked_at - (n.days_ago + 1) * interval '1 day'
    ) as events
from {{ source('raw', 'requests') }} as r
cross join (select unnest([0, 1, 2]) as days_ago) as n
