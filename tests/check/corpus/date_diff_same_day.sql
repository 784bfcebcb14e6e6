-- verdict: unsafe
-- columns: events_7d
-- rule: slack-bound
-- why: date_diff counts midnights: an event later on the same day is zero days ago.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    count(e.event_id) as events_7d
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'events') }} as e
    on e.user_id = r.user_id and date_diff('day', e.ts, r.asked_at) between 0 and 7
group by 1, 2
