-- verdict: unsafe
-- rule: bucket-start
-- why: A month on and a month back from 31 January is 29 January.
-- data: quarter 3 25
-- written: after
{{ config(event_time='at_time') }}

select order_id, customer_id, total, ordered_at + interval '1 month' - interval '1 month' as at_time
from {{ source('raw', 'orders') }}
