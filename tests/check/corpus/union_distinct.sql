-- verdict: safe
-- rule: whole-group
-- why: The first of equal rows and all the later ones have the same instant, so nothing changes when they come.
-- written: before
{{ config(event_time='ts') }}

select user_id, ts from {{ source('raw', 'events') }}
union
select user_id, asked_at from {{ source('raw', 'requests') }}
