-- verdict: unsafe
-- columns: id, t, x
-- why: '2 days ago' is two days less, and not two days.
-- found: claims of the zone against data
-- model: interval_ago
{{ config(materialized='view', event_time='t') }}
select id, t + interval '2 days ago' as t, x from {{ source('raw', 'events') }}
