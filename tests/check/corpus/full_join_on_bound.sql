-- verdict: unsafe
-- rule: future-existence
-- why: An event that no question follows is a row of its own; when a question comes, that row is gone.
-- written: before
{{ config(event_time='at') }}

select
    coalesce(r.asked_at, e.ts) as at,
    r.request_id,
    e.event_id
from {{ source('raw', 'requests') }} as r
full join {{ source('raw', 'events') }} as e on e.user_id = r.user_id and e.ts <= r.asked_at
