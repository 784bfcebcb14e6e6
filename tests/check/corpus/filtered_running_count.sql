-- verdict: safe
-- rule: whole-partition
-- why: FILTER chooses among rows of the past.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

select
    user_id,
    ts,
    count(*) filter (where kind = 'purchase') over w as purchases_7d,
    count(*) filter (where kind = 'refund') over w as refunds_7d,
    max(ts) filter (where kind = 'purchase') over w as last_purchase_at
from {{ source('raw', 'events') }}
window w as (partition by user_id order by ts range between interval '7 days' preceding and current row)
