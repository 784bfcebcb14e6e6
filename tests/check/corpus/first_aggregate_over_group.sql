-- verdict: safe
-- rule: latest-row
-- why: What the user did first, at the time of the first event.
-- written: before
{{ config(event_time='first_seen') }}

select user_id, min(ts) as first_seen, first(kind order by ts, event_id) filter (where ts is not null) as first_kind
from {{ source('raw', 'events') }}
group by user_id
