-- verdict: safe
-- rule: label-horizon
-- why: A feature from labels, each stamped at the end of its horizon.
-- written: before
-- model: returning_labels
{{ config(materialized='table', role='label', event_time='asked_at', horizon='3 days') }}

select
    r.request_id,
    r.user_id,
    r.asked_at,
    exists (
        select 1 from {{ source('raw', 'events') }} as e
        where e.user_id = r.user_id and e.ts between r.asked_at and r.asked_at + interval '3 days'
    ) as returned
from {{ source('raw', 'requests') }} as r

-- model: labels_stamped_when_known
{{ config(event_time='known_at') }}

select
    request_id,
    user_id,
    asked_at + interval '3 days' as known_at,
    avg(returned::int) over (partition by user_id order by asked_at) as return_rate
from {{ ref('returning_labels') }}
