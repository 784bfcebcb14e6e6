-- verdict: unsafe
-- columns: mean_amount
-- rule: whole-partition
-- why: The named window is fine, and the frame that one column adds to it reaches to the end.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over w as spent_so_far,
    count(*) over w as events_so_far,
    avg(amount) over (w rows between unbounded preceding and unbounded following) as mean_amount
from {{ source('raw', 'events') }}
window w as (partition by user_id order by ts)
