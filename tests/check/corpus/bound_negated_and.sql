-- verdict: unsafe
-- columns: events
-- rule: unbounded-join
-- why: Not both later and a refund: later ones of other kinds are in.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and not (p.ts > e.ts and p.kind = 'refund')
group by e.event_id, e.ts
