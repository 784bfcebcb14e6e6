-- verdict: unsafe
-- rule: whole-relation
-- why: The days run from the first to the last event: that there is a row for a quiet Tuesday tells that somebody will
--      come on Wednesday.
-- written: before
{{ config(event_time='day') }}

with bounds as (
    select min(ts) as first_ts, max(ts) as last_ts from {{ source('raw', 'events') }}
),

spine as (
    select unnest(generate_series(date_trunc('day', first_ts), last_ts, interval '1 day')) as day
    from bounds
)

select
    s.day,
    (select count(*) from {{ source('raw', 'events') }} as e where e.ts < s.day) as events_before
from spine as s
