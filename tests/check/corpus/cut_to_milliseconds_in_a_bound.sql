-- verdict: unsafe
-- columns: events_before
-- rule: slack-bound
-- why: An event some microseconds after the question counts as one of the same millisecond.
-- data: week 5 34
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and epoch_ms(e.ts) <= epoch_ms(r.asked_at)
    ) as events_before
from {{ source('raw', 'requests') }} as r
