-- verdict: safe
-- rule: future-existence
-- why: A list of what never changes decides nothing about time.
-- written: before
{{ config(event_time='ordered_at') }}

select order_id, customer_id, ordered_at, total
from {{ source('raw', 'orders') }}
where customer_id in (select customer_id from {{ source('raw', 'customers') }} where segment = 'shop')
