{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings.event ts', ttl='1 hour') }},
    {{ feature('readings.seq', ttl='1 hour') }},
    {{ feature('readings.dbl', ttl='1 hour') }},
    {{ feature('readings.big', ttl='1 hour') }},
    {{ feature('readings.dec', ttl='1 hour') }},
    {{ feature('readings.Ünïcode "q"', ttl='1 hour') }},
    f.label
from {{ ref('asked') }} as f
