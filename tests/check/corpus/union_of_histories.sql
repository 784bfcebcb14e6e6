-- verdict: safe
-- rule: unbounded-join
-- why: Two kinds of facts one below the other, each at its own time, then windows over both.
-- written: before
{{ config(materialized='feature_view', entity='user', event_time='ts') }}

with activity as (
    select user_id, ts, 'app' as channel, amount from {{ source('raw', 'events') }}
    union all
    select visitor_id, cast(clicked_at as timestamptz), 'ads', cost from {{ source('raw', 'clicks') }}
)

select
    user_id,
    ts,
    channel,
    count(*) over (partition by user_id order by ts range between interval '1 day' preceding and current row) as n_1d
from activity
