-- verdict: unsafe
-- columns: spent_1d, events_1d
-- rule: following-frame
-- why: Preceding and following are mixed up: an event at 10:00 is counted at 09:00 already.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts,
    sum(amount) over w as spent_1d,
    count(*) over w as events_1d
from {{ source('raw', 'events') }}
window w as (partition by user_id order by ts range between current row and interval '1 day' following)
