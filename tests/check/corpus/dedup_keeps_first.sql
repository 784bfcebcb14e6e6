-- verdict: safe
-- rule: latest-row
-- why: Of several versions of a payment the one that was recorded first stays for ever.
-- written: before
{{ config(event_time='recorded_at') }}

select payment_id, account_id, amount, recorded_at
from {{ source('raw', 'payments') }}
where recorded_at is not null
qualify row_number() over (partition by payment_id order by recorded_at, amount, account_id, paid_at) = 1
