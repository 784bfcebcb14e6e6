-- verdict: unsafe
-- columns: streak
-- rule: whole-partition
-- why: The whole length of the island, which events to come will add to.
-- written: before
{{ config(event_time='ts') }}

with islands as (
    select
        event_id,
        user_id,
        kind,
        ts,
        row_number() over (partition by user_id order by ts, event_id)
            - row_number() over (partition by user_id, kind order by ts, event_id) as island
    from {{ source('raw', 'events') }}
    where ts is not null
)

select
    event_id,
    ts,
    kind,
    count(*) over (partition by user_id, kind, island) as streak
from islands
