-- verdict: safe
-- rule: future-existence
-- why: Questions at whose very instant the user did something.
-- written: after
{{ config(event_time='asked_at') }}

select user_id, asked_at from {{ source('raw', 'requests') }}
intersect
select user_id, ts from {{ source('raw', 'events') }}
