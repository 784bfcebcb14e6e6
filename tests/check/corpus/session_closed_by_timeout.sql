-- verdict: safe
-- rule: whole-group
-- why: Half an hour after its last event a session is over: a later event begins a new one, so nothing can change.
-- written: before
{{ config(event_time='closed_at') }}

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
    max(ts) + interval '30 minutes' as closed_at,
    count(*) as events,
    sum(amount) as spent
from numbered
group by user_id, session_number
