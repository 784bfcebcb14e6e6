-- verdict: unsafe
-- columns: f
-- why: One feature is looked up twice, the second time by what the label is made of.
-- found: by reading the checker
-- model: keyed_view
{{ config(materialized='feature_view', entity='k', event_time='t') }}
select k, t, x from {{ source('raw', 'ticks') }}
-- model: keyed_labels
{{ config(materialized='table', event_time='t', role='label', horizon='1 day') }}
select id, k, t, y as label from {{ source('raw', 'delayed') }}
-- model: one_view_by_two_keys
{{ config(materialized='training_set', label='label', keys=['id']) }}
select l.id, l.t, {{ feature('keyed_view.x') }} - {{ feature('keyed_view.x', on={'k': 'l.label'}) }} as f, l.label from {{ ref('keyed_labels') }} as l
