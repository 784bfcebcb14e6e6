-- verdict: unsafe
-- rule: whole-group
-- why: available_at is the latest recording so far: another late payment moves it, and the row as it was known before
--      is gone.
-- written: before
{{ config(event_time='day_end', available_at='recorded_at') }}

select
    merchant_id,
    date_trunc('day', paid_at) + interval '1 day' as day_end,
    max(recorded_at) as recorded_at,
    sum(amount) as turnover
from {{ source('raw', 'payments') }}
group by 1, 2
