-- verdict: safe
-- rule: lead
-- why: How long a step took is known when the next one begins, and the row is stamped with exactly that.
-- written: before
{{ config(event_time='next_ts') }}

select
    event_id,
    user_id,
    kind,
    ts as began_at,
    lead(ts) over (partition by user_id order by ts, event_id) as next_ts
from {{ source('raw', 'events') }}
