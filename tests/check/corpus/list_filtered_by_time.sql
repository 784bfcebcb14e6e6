-- verdict: safe
-- rule: unread
-- why: All events in a list, of which a lambda keeps those of the past.
-- written: before
{{ config(event_time='asked_at') }}

with histories as (
    select user_id, list({'ts': ts, 'amount': amount} order by ts, event_id) as history
    from {{ source('raw', 'events') }}
    group by user_id
)

select
    r.request_id,
    r.asked_at,
    coalesce(len(list_filter(h.history, lambda e: e.ts <= r.asked_at)), 0) as events_before
from {{ source('raw', 'requests') }} as r
left join histories as h using (user_id)
