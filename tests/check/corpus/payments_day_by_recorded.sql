-- verdict: safe
-- rule: event-time-for-available
-- why: Days of recording: when the day is over nothing more can be recorded on it.
-- written: before
{{ config(event_time='day_end') }}

select
    merchant_id,
    date_trunc('day', recorded_at) + interval '1 day' as day_end,
    sum(amount) as turnover
from {{ source('raw', 'payments') }}
group by all
