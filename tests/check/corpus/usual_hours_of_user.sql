-- verdict: unsafe
-- columns: usual_amount
-- rule: whole-group
-- why: The mean of an hour of day over all days, joined back to each of them.
-- written: before
{{ config(event_time='ts') }}

with by_hour as (
    select user_id, hour(ts) as hour, avg(amount) as usual_amount
    from {{ source('raw', 'events') }}
    where user_id is not null and ts is not null
    group by all
)

select e.event_id, e.ts, h.usual_amount
from {{ source('raw', 'events') }} as e
left join by_hour as h on h.user_id = e.user_id and h.hour = hour(e.ts)
