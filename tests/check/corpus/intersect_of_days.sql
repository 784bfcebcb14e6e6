-- verdict: unsafe
-- rule: future-existence
-- why: Days after an event on which a question comes: in the night it is not known that one will.
-- written: after
{{ config(event_time='day') }}

select user_id, date_trunc('day', ts) + interval '1 day' as day from {{ source('raw', 'events') }}
intersect
select user_id, date_trunc('day', asked_at) from {{ source('raw', 'requests') }}
