-- verdict: safe
-- rule: whole-partition
-- why: A new session begins after half an hour of silence before; numbering looks back only.
-- written: before
{{ config(event_time='ts') }}

with gaps as (
    select
        *,
        coalesce(ts - lag(ts) over (partition by user_id order by ts, event_id) > interval '30 minutes', true) as starts
    from {{ source('raw', 'events') }}
    where ts is not null
)

select
    event_id,
    user_id,
    ts,
    sum(starts::int) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and current row
    ) as session_number
from gaps
