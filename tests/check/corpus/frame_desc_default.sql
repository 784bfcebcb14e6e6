-- verdict: unsafe
-- columns: spent_so_far
-- rule: following-frame
-- why: The default frame runs from the newest event down to this one: everything in it is later.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over (partition by user_id order by ts desc) as spent_so_far
from {{ source('raw', 'events') }}
