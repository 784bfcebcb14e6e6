-- verdict: unsafe
-- columns: mean_gap
-- rule: lead
-- why: A trailing mean of gaps to the next event: the last gap in it ends later.
-- written: after
{{ config(event_time='ts') }}

with gaps as (
    select
        event_id,
        user_id,
        ts,
        epoch(lead(ts) over (partition by user_id order by ts, event_id) - ts) as gap
    from {{ source('raw', 'events') }}
)

select
    event_id,
    ts,
    avg(gap) over (partition by user_id order by ts, event_id rows between 3 preceding and current row) as mean_gap
from gaps
