-- verdict: safe
-- rule: whole-group
-- why: A session with nothing but its number and its beginning.
-- written: before
{{ config(event_time='started_at') }}

with gaps as (
    select
        *,
        coalesce(ts - lag(ts) over (partition by user_id order by ts, event_id) > interval '30 minutes', true) as starts
    from {{ source('raw', 'events') }}
    where ts is not null
),

numbered as (
    select
        *,
        sum(starts::int) over (
            partition by user_id order by ts, event_id rows between unbounded preceding and current row
        ) as session_number
    from gaps
)

select user_id, session_number, min(ts) as started_at
from numbered
group by user_id, session_number
