-- verdict: safe
-- rule: following-frame
-- why: From the current row to the current row, as a range, are the rows of this very instant.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    count(*) over (partition by user_id order by ts range between current row and current row) as at_once,
    count(*) over (partition by user_id, ts) as at_once_too
from {{ source('raw', 'events') }}
