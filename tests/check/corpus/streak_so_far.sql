-- verdict: safe
-- rule: whole-partition
-- why: Gaps and islands: the difference of two running numbers names the island, and the place in it is counted
--      from its beginning.
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
    row_number() over (partition by user_id, kind, island order by ts, event_id) as streak
from islands
