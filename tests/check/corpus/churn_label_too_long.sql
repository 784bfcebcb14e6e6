-- verdict: unsafe
-- columns: churned
-- rule: label-horizon
-- why: It looks 45 days ahead and says 30.
-- written: before
{{ config(materialized='table', role='label', event_time='asked_at', horizon='30 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    not exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at and e.ts <= r.asked_at + interval '45 days'
    ) as churned
from {{ source('raw', 'requests') }} as r
