-- verdict: unsafe
-- rule: latest-row
-- why: The last version replaces what was known before: between the two the first one was the truth.
-- written: before
{{ config(event_time='recorded_at') }}

select payment_id, account_id, amount, recorded_at
from {{ source('raw', 'payments') }}
qualify row_number() over (partition by payment_id order by recorded_at desc, amount, account_id, paid_at) = 1
