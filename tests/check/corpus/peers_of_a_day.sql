-- verdict: unsafe
-- columns: spent_so_far
-- rule: following-frame
-- why: Ordered by the day, all events of the day are peers, and the frame up to the current row holds every one of them.
-- written: after
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    sum(amount) over (partition by user_id order by ts::date) as spent_so_far
from {{ source('raw', 'events') }}
