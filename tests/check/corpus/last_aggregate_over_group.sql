-- verdict: unsafe
-- columns: last_kind
-- rule: latest-row
-- why: last(… order by ts) over a user's whole life, beside its beginning.
-- written: before
{{ config(event_time='first_seen') }}

select user_id, min(ts) as first_seen, last(kind order by ts, event_id) as last_kind
from {{ source('raw', 'events') }}
group by user_id
