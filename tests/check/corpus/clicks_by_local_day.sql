-- verdict: unsafe
-- columns: clicks_yesterday
-- rule: slack-bound
-- why: In Auckland it is tomorrow already at noon UTC: the "day before" of the question is the whole of today in UTC,
--      with the clicks of the afternoon.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*) from {{ source('raw', 'clicks') }} as c
        where c.visitor_id = r.visitor_id
            and c.clicked_at::date = (r.asked_at at time zone 'Pacific/Auckland')::date - 1
    ) as clicks_yesterday
from {{ source('raw', 'requests') }} as r
