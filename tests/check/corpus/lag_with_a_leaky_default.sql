-- verdict: unsafe
-- columns: amount_before
-- rule: whole-relation
-- why: Where there is no event before, the largest amount of all times stands in.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lag(amount, 1, max_amount) over (partition by user_id order by ts, event_id) as amount_before
from {{ source('raw', 'events') }}
cross join (select max(amount) as max_amount from {{ source('raw', 'events') }})
