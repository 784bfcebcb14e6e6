-- verdict: unsafe
-- columns: first_kind
-- rule: whole-relation
-- why: The first event of all may come after the question.
-- data: week 1 18
-- written: after
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (select kind from {{ source('raw', 'events') }} where ts is not null order by ts, event_id limit 1) as first_kind
from {{ source('raw', 'requests') }} as r
