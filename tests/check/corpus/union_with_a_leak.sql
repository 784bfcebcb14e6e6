-- verdict: unsafe
-- rule: event-time-for-available
-- why: The second branch brings payments at their business time, before they are recorded.
-- written: before
{{ config(event_time='ts') }}

select user_id as owner_id, ts, amount from {{ source('raw', 'events') }}
union all
select account_id, paid_at, amount from {{ source('raw', 'payments') }}
