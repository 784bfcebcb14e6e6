-- verdict: unsafe
-- columns: other_amount
-- rule: lead
-- why: How far back is said by a column, and for refunds it says forward.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lag(amount, case when kind = 'refund' then -1 else 1 end) over (partition by user_id order by ts, event_id)
        as other_amount
from {{ source('raw', 'events') }}
