-- verdict: safe
-- rule: wrong-bound
-- why: The next price is a fact about the future that is known today: it is announced.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select min(p.valid_from) from {{ source('raw', 'prices') }} as p
        where p.product_id = r.product_id and p.valid_from > r.asked_at and p.announced_at <= r.asked_at
    ) as next_price_from
from {{ source('raw', 'requests') }} as r
