-- verdict: unsafe
-- rule: whole-group
-- why: Stamped ten minutes after the last event, while another one may still join for half an hour.
-- data: day 2 2
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
    max(ts) + interval '10 minutes' as closed_at,
    count(*) as events,
    sum(amount) as spent
from numbered
group by user_id, session_number
