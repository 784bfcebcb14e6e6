-- verdict: safe
-- rule: following-frame
-- why: The user's own past without the present event, the usual way to say "before".
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount,
    avg(amount) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and current row exclude current row
    ) as usual_amount
from {{ source('raw', 'events') }}
