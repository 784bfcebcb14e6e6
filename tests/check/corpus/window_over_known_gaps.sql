-- verdict: safe
-- rule: lead
-- why: The same without the current row: the gap of the event before ends with this one.
-- written: after
{{ config(event_time='ts') }}

with gaps as (
    select
        event_id,
        user_id,
        ts,
        epoch(lead(ts) over (partition by user_id order by ts, event_id) - ts) as gap
    from {{ source('raw', 'events') }}
    where ts is not null
)

select
    event_id,
    ts,
    avg(gap) over (partition by user_id order by ts, event_id rows between 3 preceding and 1 preceding) as mean_gap
from gaps
