-- verdict: unsafe
-- columns: events
-- rule: whole-relation
-- why: A bound that grows with the data bounds nothing.
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts <= (select max(ts) from {{ source('raw', 'events') }})
    ) as events
from {{ source('raw', 'requests') }} as r
