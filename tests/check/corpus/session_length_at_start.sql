-- verdict: unsafe
-- columns: events, minutes
-- rule: whole-group
-- why: The row of a session is stamped at its start and holds its length: at 09:00 it knows of 09:20. That there is
--      a session, and since when, is known at its start.
-- data: day 1 39
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

select
    user_id,
    session_number,
    min(ts) as started_at,
    count(*) as events,
    date_diff('minute', min(ts), max(ts)) as minutes
from numbered
group by user_id, session_number
