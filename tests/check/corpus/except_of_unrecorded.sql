-- verdict: unsafe
-- rule: future-existence
-- why: Questions without a payment at their instant: the payment is recorded later, and takes them away.
-- data: quarter 1 6
-- written: after
{{ config(event_time='asked_at') }}

select account_id, asked_at from {{ source('raw', 'requests') }}
except
select account_id, paid_at from {{ source('raw', 'payments') }}
