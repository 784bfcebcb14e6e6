-- verdict: unsafe
-- columns: next_amount
-- rule: lead
-- why: Everything by a star, and one column more.
-- written: before
{{ config(event_time='ts') }}

select
    * exclude (kind, item),
    lead(amount) over (partition by user_id order by ts, event_id) as next_amount
from {{ source('raw', 'events') }}
