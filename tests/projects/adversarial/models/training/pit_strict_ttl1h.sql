{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings.event ts', strict=true, ttl='1 hour') }},
    {{ feature('readings.seq', strict=true, ttl='1 hour') }},
    {{ feature('readings.dbl', strict=true, ttl='1 hour') }},
    {{ feature('readings.big', strict=true, ttl='1 hour') }},
    {{ feature('readings.dec', strict=true, ttl='1 hour') }},
    {{ feature('readings.Ünïcode "q"', strict=true, ttl='1 hour') }},
    f.label
from {{ ref('asked') }} as f
