-- verdict: unsafe
-- columns: events_before, last_amount
-- rule: whole-group
-- why: The same list as long as it is.
-- written: before
{{ config(event_time='asked_at') }}

with histories as (
    select user_id, list({'ts': ts, 'amount': amount} order by ts, event_id) as history
    from {{ source('raw', 'events') }}
    where user_id is not null
    group by user_id
)

select
    r.request_id,
    r.asked_at,
    len(h.history) as events_before,
    h.history[-1].amount as last_amount
from {{ source('raw', 'requests') }} as r
left join histories as h using (user_id)
