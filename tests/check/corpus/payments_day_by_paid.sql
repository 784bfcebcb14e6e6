-- verdict: unsafe
-- rule: event-time-for-available
-- why: A payment of Monday that is recorded on Thursday is added to Monday's row, which was known on Tuesday.
-- written: before
{{ config(event_time='day_end') }}

select
    merchant_id,
    date_trunc('day', paid_at) + interval '1 day' as day_end,
    sum(amount) as turnover
from {{ source('raw', 'payments') }}
group by all
