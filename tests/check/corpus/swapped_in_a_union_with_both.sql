-- verdict: safe
-- rule: event-time-for-available
-- why: With both times declared it does not matter which is which: a row counts from the later one. It was first
--      written down as unsafe; the oracle knew better.
-- written: after
{{ config(event_time='paid_at', available_at='recorded_at') }}

select account_id, amount, paid_at, recorded_at from {{ source('raw', 'payments') }} where status = 'settled'
union all
select account_id, amount, recorded_at, paid_at from {{ source('raw', 'payments') }} where status = 'declined'
