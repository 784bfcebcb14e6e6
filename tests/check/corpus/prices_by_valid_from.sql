-- verdict: unsafe
-- columns: price
-- rule: event-time-for-available
-- why: A price may be announced after the day from which it holds: at the question nobody knew it.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(p.price, (p.valid_from, p.price)) from {{ source('raw', 'prices') }} as p
        where p.product_id = r.product_id and p.valid_from <= r.asked_at
    ) as price
from {{ source('raw', 'requests') }} as r
