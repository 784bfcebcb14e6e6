{{ config(materialized='training_set', label='label', keys=['row_id'], passthrough=['event ts', 'seq']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings.event ts', strict=true) }},
    {{ feature('readings.seq', strict=true) }},
    {{ feature('readings.dbl', strict=true) }},
    {{ feature('readings.big', strict=true) }},
    {{ feature('readings.dec', strict=true) }},
    {{ feature('readings.Ünïcode "q"', strict=true) }},
    f.label
from {{ ref('asked') }} as f
