-- verdict: safe
-- rule: date-event-time
-- why: A DATE as event time with its delay declared at the source and inherited.
-- written: before
{{ config(event_time='day') }}

select
    currency,
    day,
    rate,
    rate - lag(rate) over (partition by currency order by day, rate) as change
from {{ source('raw', 'fx_daily') }}
