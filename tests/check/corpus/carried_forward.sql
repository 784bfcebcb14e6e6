-- verdict: safe
-- rule: fit-outside-train
-- why: Missing amounts become the last one before.
-- written: before
{{ config(event_time='ts') }}

select
    event_id,
    ts,
    coalesce(amount, last_value(amount ignore nulls) over (
        partition by user_id order by ts, event_id rows between unbounded preceding and 1 preceding
    )) as amount
from {{ source('raw', 'events') }}
