-- verdict: unsafe
-- columns: w
-- why: Of events of one instant the last is the one that is greatest in y, and y is known too late.
-- found: by reading the checker
-- model: last_of_tied_events
{{ config(materialized='feature_view', entity='k', event_time='t') }}
select k, t, (select max(s.x) from {{ source('raw', 'ticks') }} s where s.k = r.id) as y, {{ window('last(x)', '7 days') }} as w from {{ source('raw', 'events') }} r
