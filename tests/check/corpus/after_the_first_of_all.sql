-- verdict: safe
-- rule: whole-relation
-- why: Whether any event had happened: a minimum that comes later is after the question and changes nothing.
-- written: after
{{ config(event_time='asked_at') }}

select r.request_id, r.user_id, r.asked_at
from {{ source('raw', 'requests') }} as r
where r.asked_at >= (select min(ts) from {{ source('raw', 'events') }})
