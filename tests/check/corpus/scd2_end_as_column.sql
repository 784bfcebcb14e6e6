-- verdict: unsafe
-- columns: ends_at, is_current
-- rule: in-place-update
-- why: The row is written when a version begins and its end is filled in when the next one does.
-- written: before
{{ config(materialized='feature_view', entity='customer', event_time='valid_from') }}

select
    customer_id,
    plan,
    valid_from,
    lead(valid_from) over (partition by customer_id order by valid_from) as ends_at,
    lead(valid_from) over (partition by customer_id order by valid_from) is null as is_current
from {{ source('raw', 'customer_versions') }}
