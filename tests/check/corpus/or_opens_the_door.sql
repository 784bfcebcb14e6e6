-- verdict: unsafe
-- columns: relevant
-- rule: unbounded-join
-- why: Refunds count whenever they come.
-- written: before
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as relevant
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id and (p.ts <= e.ts or p.kind = 'refund')
group by e.event_id, e.ts
