-- An order of day D is known when D is over. That instant is its event time, so that a window of 90 days that ends at
-- a midnight holds 90 whole days.
{{ config(event_time='known_utc', available_at='known_utc') }}

select
    order_id,
    customer_id,
    order_date,
    cds,
    amount,
    order_date::timestamptz + interval '1 day' as known_utc
from {{ source('cdnow', 'orders') }}
