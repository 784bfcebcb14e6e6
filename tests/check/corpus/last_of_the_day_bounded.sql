-- verdict: unsafe
-- columns: last_kind
-- rule: latest-row
-- why: Of each day the last event is kept, and then the last one before the question is looked up: at noon, today's last
--      event is one of the evening, and so yesterday's is found, where at noon one of this morning was known.
-- data: day 1 3
-- written: after
{{ config(event_time='asked_at') }}

with last_of_day as (
    select user_id, ts, event_id, kind
    from {{ source('raw', 'events') }}
    qualify row_number() over (partition by user_id, ts::date order by ts desc, event_id desc) = 1
)

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(l.kind, (l.ts, l.event_id)) from last_of_day as l
        where l.user_id = r.user_id and l.ts <= r.asked_at
    ) as last_kind
from {{ source('raw', 'requests') }} as r
