-- verdict: safe
-- rule: lead
-- why: And a lead by minus one is a lag.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lead(amount, -1) over (partition by user_id order by ts, event_id) as other_amount
from {{ source('raw', 'events') }}
