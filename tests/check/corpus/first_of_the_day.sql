-- verdict: safe
-- rule: latest-row
-- why: The first event of each day stays the first.
-- written: after
{{ config(event_time='ts') }}

select distinct on (user_id, ts::date) user_id, ts, kind
from {{ source('raw', 'events') }}
where ts is not null
order by user_id, ts::date, ts, event_id
