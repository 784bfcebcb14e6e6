-- verdict: unsafe
-- rule: whole-relation
-- why: Questions that some event follows.
-- written: after
{{ config(event_time='asked_at') }}

select r.request_id, r.user_id, r.asked_at
from {{ source('raw', 'requests') }} as r
where r.asked_at <= (select max(ts) from {{ source('raw', 'events') }})
