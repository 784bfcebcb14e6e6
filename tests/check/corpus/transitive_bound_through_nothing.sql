-- verdict: unsafe
-- columns: views
-- rule: nullable-time
-- why: Where there is no cart its time is null, and the comparison with "no cart or before it" lets every view in.
-- written: before
{{ config(event_time='bought_at') }}

select
    b.event_id,
    b.ts as bought_at,
    count(v.event_id) as views
from {{ source('raw', 'events') }} as b
left join {{ source('raw', 'events') }} as c on c.user_id = b.user_id and c.kind = 'cart' and c.ts <= b.ts
left join {{ source('raw', 'events') }} as v on v.user_id = b.user_id and (c.ts is null or v.ts <= c.ts)
where b.kind = 'purchase'
group by b.event_id, b.ts
