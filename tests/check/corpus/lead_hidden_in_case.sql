-- verdict: unsafe
-- columns: bounced
-- rule: lead
-- why: Whether a view was the last one is known only when nothing has come after it.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    kind = 'view' as is_view,
    case when lead(event_id) over (partition by user_id order by ts, event_id) is null then 1 else 0 end as bounced
from {{ source('raw', 'events') }}
