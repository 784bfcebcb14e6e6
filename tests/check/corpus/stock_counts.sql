-- verdict: unproven
-- rule: date-event-time
-- why: A count of a day is known at its end, perhaps, or on the next morning: the source does not say.
-- written: before
{{ config(event_time='stock_day') }}

select product_id, stock_day, units
from {{ source('raw', 'stock') }}
