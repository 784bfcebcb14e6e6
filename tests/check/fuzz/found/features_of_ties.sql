-- verdict: unsafe
-- columns: f
-- why: Of two rows of one instant the one is looked up that is greatest in y, and y is known too late; then x is that one's.
-- found: by reading the checker
-- model: tied_view
{{ config(materialized='feature_view', entity='k', event_time='t') }}
select k, t, (select max(s.x) from {{ source('raw', 'ticks') }} s where s.k = r.id) as y, x from {{ source('raw', 'events') }} r
-- model: tied_labels
{{ config(materialized='table', event_time='t', role='label', horizon='1 day') }}
select id, k, t, y as label from {{ source('raw', 'delayed') }}
-- model: features_of_ties
{{ config(materialized='training_set', label='label', keys=['id']) }}
select l.id, l.t, {{ feature('tied_view.x') }} as f, l.label from {{ ref('tied_labels') }} as l
