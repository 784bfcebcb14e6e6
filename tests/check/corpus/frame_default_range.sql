-- verdict: safe
-- rule: following-frame
-- why: The default frame holds everything up to this instant, equal instants included.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over (partition by user_id order by ts) as spent_so_far
from {{ source('raw', 'events') }}
