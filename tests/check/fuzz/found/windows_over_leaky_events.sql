-- verdict: unsafe
-- columns: w
-- why: A window over events that are used before they are known has those of other rows in it, which this row's own time does not bound.
-- found: by reading the checker
-- model: leaky_view
{{ config(materialized='feature_view', entity='k', event_time='t') }}
select k, t, a + interval '0 hours' as b, {{ window('sum(x)', 'unbounded') }} as w from {{ source('raw', 'late') }}
-- model: windows_over_leaky_events
{{ config(materialized='view', event_time='t') }}
select k, greatest(t, b) as t, w from {{ ref('leaky_view') }} where t is not null and b is not null
