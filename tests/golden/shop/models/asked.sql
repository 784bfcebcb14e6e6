{{ config(materialized='table', role='label', event_time='asked_at', horizon='1 day', alias='questions') }}
from {{ ref('staged') }}
select order_id, customer, product, amount, ordered_at - interval 1 hour as asked_at, amount > 15 as big
