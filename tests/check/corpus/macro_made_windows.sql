-- verdict: safe
-- rule: following-frame
-- why: Trailing windows written by a loop.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts
    {% for days in [1, 7, 30] %}
    , sum(amount) over (
        partition by user_id order by ts range between interval '{{ days }} days' preceding and current row
    ) as spent_{{ days }}d
    {% endfor %}
from {{ source('raw', 'events') }}
