-- verdict: unsafe
-- columns: events_before
-- rule: nullable-time
-- why: An event without a time is taken for one of the question's instant.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and coalesce(e.ts, r.asked_at) <= r.asked_at
    ) as events_before
from {{ source('raw', 'requests') }} as r
