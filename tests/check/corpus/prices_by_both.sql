-- verdict: safe
-- rule: event-time-for-available
-- why: Announced, and in force.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select arg_max(p.price, (p.valid_from, p.price)) from {{ source('raw', 'prices') }} as p
        where p.product_id = r.product_id and p.valid_from <= r.asked_at and p.announced_at <= r.asked_at
    ) as price
from {{ source('raw', 'requests') }} as r
