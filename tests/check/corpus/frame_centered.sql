-- verdict: unsafe
-- columns: smooth
-- rule: following-frame
-- why: The mean of five events holds two that come later: a purchase of 50 a minute after this view moves it.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    user_id,
    ts,
    avg(amount) over (
        partition by user_id order by ts, event_id rows between 2 preceding and 2 following
    ) as smooth
from {{ source('raw', 'events') }}
