-- verdict: unsafe
-- columns: rate
-- rule: delay-ignored
-- why: Today is a date before this instant, and its rate is not out yet.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(f.rate, (f.day, f.rate)) from {{ source('raw', 'fx_daily') }} as f
        where f.currency = r.currency and f.day <= r.asked_at
    ) as rate
from {{ source('raw', 'requests') }} as r
