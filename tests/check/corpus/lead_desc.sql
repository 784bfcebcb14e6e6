-- verdict: safe
-- rule: lead
-- why: Newest first, the row that comes next is the older one.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    lead(amount) over (partition by user_id order by ts desc, event_id desc) as previous_amount
from {{ source('raw', 'events') }}
where ts is not null
