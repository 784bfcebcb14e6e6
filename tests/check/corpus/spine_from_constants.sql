-- verdict: safe
-- rule: whole-relation
-- why: The days are named; nothing about the data decides which rows there are.
-- written: before
{{ config(event_time='day') }}

with spine as (
    select unnest(generate_series(
        timestamptz '2024-01-01 00:00:00+00', timestamptz '2024-04-30 00:00:00+00', interval '1 day'
    )) as day
)

select
    s.day,
    (select count(*) from {{ source('raw', 'events') }} as e where e.ts < s.day) as events_before
from spine as s
