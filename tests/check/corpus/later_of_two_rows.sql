-- verdict: safe
-- rule: unbounded-join
-- why: Pairs of events, each stamped with the later one.
-- written: after
{{ config(event_time='both_at') }}

select a.event_id, b.event_id as other_id, greatest(a.ts, b.ts) as both_at
from {{ source('raw', 'events') }} as a
join {{ source('raw', 'events') }} as b on b.user_id = a.user_id and b.event_id <> a.event_id
where a.ts is not null and b.ts is not null
