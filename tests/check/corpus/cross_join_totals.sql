-- verdict: unsafe
-- columns: share
-- rule: whole-relation
-- why: Everybody's total, of all times, in every row.
-- written: before
{{ config(event_time='ts') }}

with totals as (
    select sum(amount) as total from {{ source('raw', 'events') }}
)

select e.event_id, e.ts, e.amount / nullif(t.total, 0) as share
from {{ source('raw', 'events') }} as e
cross join totals as t
