-- verdict: unsafe
-- columns: amount
-- rule: unread
-- why: Rows put side by side by their position: one more row shifts all that follow. The events themselves are all
--      there, with nulls where the payments end.
-- written: after
{{ config(event_time='ts') }}

select e.event_id, e.ts, p.amount
from (select event_id, ts from {{ source('raw', 'events') }} order by event_id) as e
positional join (select amount from {{ source('raw', 'payments') }} order by payment_id, amount) as p
