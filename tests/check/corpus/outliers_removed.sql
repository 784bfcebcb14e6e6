-- verdict: unsafe
-- rule: future-existence
-- why: What counts as an outlier is decided by quantiles of all times, and rows come and go with them.
-- written: before
{{ config(event_time='ts') }}

select event_id, user_id, ts, amount
from {{ source('raw', 'events') }}
where amount <= (select quantile_cont(amount, 0.9) from {{ source('raw', 'events') }})
