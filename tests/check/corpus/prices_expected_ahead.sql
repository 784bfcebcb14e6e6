-- verdict: unsafe
-- columns: next_price_from
-- rule: wrong-bound
-- why: The next price whether or not it has been announced.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select min(p.valid_from) from {{ source('raw', 'prices') }} as p
        where p.product_id = r.product_id and p.valid_from > r.asked_at
    ) as next_price_from
from {{ source('raw', 'requests') }} as r
