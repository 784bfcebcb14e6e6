-- verdict: unproven
-- columns: units
-- rule: date-event-time
-- why: Whether yesterday's count is known at the question depends on when counts are known.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select max(s.units) from {{ source('raw', 'stock') }} as s
        where s.product_id = r.product_id and s.stock_day = r.asked_at::date - 1
    ) as units
from {{ source('raw', 'requests') }} as r
