{{ config(materialized='training_set', label='label', keys=['row_id']) }}

select
    f.row_id,
    f."as of",
    {{ feature('readings_1h.*') }},
    f.label
from {{ ref('asked') }} as f
