-- verdict: safe
-- rule: nullable-time
-- why: Usable when it has happened and is recorded; rows without a recording are left out.
-- written: before
{{ config(event_time='usable_at') }}

select payment_id, account_id, amount, greatest(paid_at, recorded_at) as usable_at
from {{ source('raw', 'payments') }}
where recorded_at is not null
