-- verdict: unsafe
-- rule: event-time-for-available
-- why: A payment becomes two rows, one at each of its times, and the first is there before it is recorded.
-- written: after
{{ config(event_time='moment') }}

select account_id, amount, what, moment
from (
    unpivot (select account_id, amount, paid_at, recorded_at from {{ source('raw', 'payments') }})
    on paid_at, recorded_at into name what value moment
)
