-- verdict: unsafe
-- rule: delay-ignored
-- why: The rate of a day is published when the day is over.
-- written: before
{{ config(event_time='asked_at') }}

select r.request_id, r.asked_at, f.rate
from {{ source('raw', 'requests') }} as r
left join {{ source('raw', 'fx_daily') }} as f
    on f.currency = r.currency and f.day = cast(r.asked_at as date)
