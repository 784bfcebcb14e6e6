-- verdict: safe
-- rule: fit-outside-train
-- why: Scaled by numbers that somebody wrote down.
-- written: before
{{ config(event_time='ts') }}

{% set low, high = -10, 50 %}
select event_id, ts, (amount - {{ low }}) / ({{ high }} - {{ low }}) as scaled, ln(1 + abs(amount)) as log_amount
from {{ source('raw', 'events') }}
