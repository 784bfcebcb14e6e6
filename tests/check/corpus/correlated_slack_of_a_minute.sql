-- verdict: unsafe
-- columns: logins
-- rule: slack-bound
-- why: A minute of slack for the pipeline is a minute of future.
-- data: years 2 0
-- written: before
{{ config(event_time='asked_at') }}

select
    r.request_id,
    r.asked_at,
    (
        select count(*)
        from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts < r.asked_at + interval '1 minute'
    ) as logins
from {{ source('raw', 'requests') }} as r
