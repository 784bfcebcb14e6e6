-- verdict: safe
-- rule: event-time-for-available
-- why: In the order in which they became known, every row sums what was known.
-- written: before
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select
    account_id,
    paid_at,
    recorded_at,
    sum(amount) over (partition by account_id order by recorded_at) as paid_so_far
from {{ source('raw', 'payments') }}
