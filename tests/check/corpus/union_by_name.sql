-- verdict: safe
-- rule: event-time-for-available
-- why: By name it does not matter.
-- written: after
{{ config(event_time='paid_at', available_at='recorded_at') }}

select account_id, amount, paid_at, recorded_at from {{ source('raw', 'payments') }} where status = 'settled'
union all by name
select account_id, amount, recorded_at, paid_at from {{ source('raw', 'payments') }} where status = 'declined'
