-- verdict: unproven
-- columns: churned
-- rule: label-horizon
-- why: Nobody says when the label is known.
-- written: before
{{ config(materialized='table', role='label', event_time='asked_at') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    not exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts > r.asked_at and e.ts <= r.asked_at + interval '30 days'
    ) as churned
from {{ source('raw', 'requests') }} as r
