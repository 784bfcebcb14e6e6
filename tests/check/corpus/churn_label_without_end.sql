-- verdict: unsafe
-- columns: churned
-- rule: label-horizon
-- why: "Never came back" has no horizon at all.
-- written: before
{{ config(materialized='table', role='label', event_time='asked_at', horizon='30 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    not exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at
    ) as churned
from {{ source('raw', 'requests') }} as r
