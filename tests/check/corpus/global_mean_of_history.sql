-- verdict: safe
-- rule: whole-relation
-- why: The mean of what happened before March, for rows from March on.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    amount - (
        select avg(amount) from {{ source('raw', 'events') }} where ts < timestamptz '2024-03-01 00:00:00+00'
    ) as centered
from {{ source('raw', 'events') }}
where ts >= timestamptz '2024-03-01 00:00:00+00'
