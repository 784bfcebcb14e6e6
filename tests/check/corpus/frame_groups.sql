-- verdict: safe
-- rule: following-frame
-- why: GROUPS counts distinct instants; two before and this one are all past.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    max(amount) over (
        partition by user_id order by ts groups between 2 preceding and current row
    ) as recent_max
from {{ source('raw', 'events') }}
