-- verdict: unsafe
-- columns: other_amount
-- rule: lead
-- why: A lag by minus one is a lead.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lag(amount, -1) over (partition by user_id order by ts, event_id) as other_amount
from {{ source('raw', 'events') }}
