{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings.event ts', ttl='0 seconds') }},
    {{ feature('readings.seq', ttl='0 seconds') }},
    {{ feature('readings.dbl', ttl='0 seconds') }},
    {{ feature('readings.big', ttl='0 seconds') }},
    {{ feature('readings.dec', ttl='0 seconds') }},
    {{ feature('readings.Ünïcode "q"', ttl='0 seconds') }},
    f.label
from {{ ref('asked') }} as f
