-- verdict: safe
-- rule: bucket-start
-- why: A line of hours before each question, counted in each.
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    h.hour,
    (
        select count(*) from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts >= h.hour and e.ts < h.hour + interval '1 hour' and e.ts <= r.asked_at
    ) as events
from {{ source('raw', 'requests') }} as r,
lateral (
    select unnest(generate_series(
        date_trunc('hour', r.asked_at) - interval '2 hours', date_trunc('hour', r.asked_at), interval '1 hour'
    )) as hour
) as h
where r.asked_at is not null
