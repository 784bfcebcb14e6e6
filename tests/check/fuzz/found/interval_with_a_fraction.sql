-- verdict: unsafe
-- columns: id, t, x
-- why: A fraction before the unit is cut off: interval '1.5' hour is one hour.
-- found: claims of the zone against data
-- model: interval_with_a_fraction
{{ config(materialized='view', event_time='t') }}
select id, t + interval '1.5' hour as t, x from (select id, t, a, x from {{ source('raw', 'late') }} where a <= t + interval '90 minutes')
