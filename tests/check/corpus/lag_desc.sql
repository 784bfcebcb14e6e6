-- verdict: unsafe
-- columns: previous_amount
-- rule: lead
-- why: Newest first, the row before is the newer one, whatever the column is called.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lag(amount) over (partition by user_id order by ts desc, event_id desc) as previous_amount
from {{ source('raw', 'events') }}
