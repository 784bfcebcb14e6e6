-- verdict: safe
-- rule: following-frame
-- why: A range frame that ends at this row's instant holds what had happened by then.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts,
    sum(amount) over w as spent_1d,
    count(*) over w as events_1d
from {{ source('raw', 'events') }}
window w as (partition by user_id order by ts range between interval '1 day' preceding and current row)
