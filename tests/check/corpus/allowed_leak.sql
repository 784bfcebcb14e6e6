-- verdict: unsafe
-- columns: segment_share
-- rule: whole-relation
-- why: Somebody has allowed it, with a reason; it is a leak all the same, and a report should say so.
-- written: before
{{ config(event_time='ts', allow_leakage='the share of a kind has not moved in three years (ticket 812)') }}

select
    event_id,
    ts,
    kind,
    count(*) over (partition by kind) / count(*) over () as segment_share
from {{ source('raw', 'events') }}
