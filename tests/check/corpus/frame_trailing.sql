-- verdict: safe
-- rule: following-frame
-- why: The same five events, all of them up to this one.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    user_id,
    ts,
    avg(amount) over (
        partition by user_id order by ts, event_id rows between 4 preceding and current row
    ) as smooth
from {{ source('raw', 'events') }}
