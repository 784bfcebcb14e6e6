-- verdict: unsafe
-- columns: events
-- rule: bucket-start
-- why: The last hour in the line is the running one, and it is counted to its end.
-- data: day 1 3
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    h.hour,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts >= h.hour and e.ts < h.hour + interval '1 hour'
    ) as events
from {{ source('raw', 'requests') }} as r,
lateral (
    select unnest(generate_series(
        date_trunc('hour', r.asked_at) - interval '2 hours', date_trunc('hour', r.asked_at), interval '1 hour'
    )) as hour
) as h
where r.asked_at is not null
