-- verdict: safe
-- rule: unbounded-join
-- why: The refund is before the cart and the cart before the purchase, so all is known at the purchase.
-- written: before
{{ config(event_time='bought_at') }}

select
    b.event_id,
    b.ts as bought_at,
    count(*) as paths
from {{ source('raw', 'events') }} as b
join {{ source('raw', 'events') }} as c on c.user_id = b.user_id and c.kind = 'cart' and c.ts <= b.ts
join {{ source('raw', 'events') }} as v on v.user_id = b.user_id and v.kind = 'view' and v.ts <= c.ts
where b.kind = 'purchase'
group by b.event_id, b.ts
