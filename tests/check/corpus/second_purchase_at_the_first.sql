-- verdict: unsafe
-- rule: future-existence
-- why: The first time of a user, but only of those who come twice: the row of the first waits for the second.
-- written: after
{{ config(event_time='first_seen') }}

select user_id, min(ts) as first_seen
from {{ source('raw', 'events') }}
group by user_id
having count(*) >= 2
