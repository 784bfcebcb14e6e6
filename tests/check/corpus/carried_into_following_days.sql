-- verdict: safe
-- rule: bucket-start
-- why: Each event is repeated on the three days after it.
-- written: after
{{ config(event_time='day') }}

select event_id, user_id, unnest(generate_series(ts, ts + interval '3 days', interval '1 day')) as day
from {{ source('raw', 'events') }}
where ts is not null
