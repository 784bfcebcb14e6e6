-- verdict: unsafe
-- columns: paid
-- rule: unbounded-join
-- why: Without a prefix the name means the payment's own column: the bound compares it with itself.
-- written: after
{{ config(event_time='recorded_at') }}

select
    r.payment_id,
    r.recorded_at,
    (
        select sum(p.amount) from {{ source('raw', 'payments') }} as p
        where p.account_id = r.account_id and p.recorded_at <= recorded_at
    ) as paid
from {{ source('raw', 'payments') }} as r
