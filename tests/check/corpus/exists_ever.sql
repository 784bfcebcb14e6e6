-- verdict: unsafe
-- columns: had_refund
-- rule: future-existence
-- why: Whether there is a refund at any time, and so whether there will be one.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.kind = 'refund'
    ) as had_refund
from {{ source('raw', 'requests') }} as r
