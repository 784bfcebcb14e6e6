-- verdict: unsafe
-- columns: paid_so_far
-- rule: event-time-for-available
-- why: A payment of Monday that is recorded on Thursday changes the running total of a row that was known on Tuesday.
-- written: before
{{ config(materialized='feature_view', entity='account', event_time='paid_at') }}

select
    account_id,
    paid_at,
    recorded_at,
    sum(amount) over (
        partition by account_id order by paid_at, payment_id rows between unbounded preceding and current row
    ) as paid_so_far
from {{ source('raw', 'payments') }}
