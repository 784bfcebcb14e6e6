-- verdict: safe
-- rule: slack-bound
-- why: For refunds the bound is an hour earlier.
-- written: after
{{ config(event_time='ts') }}

select
    e.event_id,
    e.ts,
    count(p.event_id) as events
from {{ source('raw', 'events') }} as e
left join {{ source('raw', 'events') }} as p
    on p.user_id = e.user_id
    and p.ts <= case when e.kind = 'refund' then e.ts - interval '1 hour' else e.ts end
group by e.event_id, e.ts
