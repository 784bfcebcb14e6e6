-- verdict: unsafe
-- rule: whole-relation
-- why: The rows of the items that sell best over all time.
-- written: before
{{ config(event_time='ts') }}

with popular as (
    select item
    from {{ source('raw', 'events') }}
    group by item
    order by count(*) desc, item
    limit 2
)

select e.event_id, e.ts, e.amount
from {{ source('raw', 'events') }} as e
join popular using (item)
