-- verdict: safe
-- rule: future-existence
-- why: Whether there was a refund before.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.kind = 'refund' and e.ts < r.asked_at
    ) as had_refund
from {{ source('raw', 'requests') }} as r
