-- verdict: unsafe
-- columns: centered
-- rule: whole-relation
-- why: Centred by the mean of everything, next year's amounts included.
-- written: before
{{ config(event_time='ts') }}

select event_id, ts, amount - (select avg(amount) from {{ source('raw', 'events') }}) as centered
from {{ source('raw', 'events') }}
