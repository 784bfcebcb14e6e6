-- verdict: unsafe
-- columns: kept_1d
-- rule: lead
-- why: The frame is trailing, and the filter reads a lead: a row counts only if no refund follows it.
-- written: before
{{ config(event_time='ts') }}

with looked as (
    select
        event_id,
        user_id,
        ts,
        lead(kind) over (partition by user_id order by ts, event_id) as next_kind
    from {{ source('raw', 'events') }}
)

select
    event_id,
    ts,
    count(*) filter (where next_kind is distinct from 'refund') over (
        partition by user_id order by ts range between interval '1 day' preceding and current row
    ) as kept_1d
from looked
