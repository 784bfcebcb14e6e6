-- verdict: unsafe
-- columns: spent_p1d
-- rule: following-frame
-- why: The loop also makes a window that reaches a day ahead.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts
    {% for name, frame in [('m1d', "interval '1 day' preceding and current row"),
                           ('p1d', "current row and interval '1 day' following")] %}
    , sum(amount) over (partition by user_id order by ts range between {{ frame }}) as spent_{{ name }}
    {% endfor %}
from {{ source('raw', 'events') }}
