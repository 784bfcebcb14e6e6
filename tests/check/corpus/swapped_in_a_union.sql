-- verdict: unsafe
-- rule: event-time-for-available
-- why: A union goes by position: in the second branch the two times stand the other way round, and the column that
--      is called recorded_at holds the business time.
-- written: after
{{ config(event_time='recorded_at', available_at='recorded_at') }}

select account_id, amount, paid_at, recorded_at from {{ source('raw', 'payments') }} where status = 'settled'
union all
select account_id, amount, recorded_at, paid_at from {{ source('raw', 'payments') }} where status = 'declined'
