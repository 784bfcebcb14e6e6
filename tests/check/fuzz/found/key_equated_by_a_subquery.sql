-- verdict: unsafe
-- columns: id, t
-- why: The subquery reads the right row, so more than one may match, and they multiply the left row.
-- found: by reading the checker
-- model: key_equated_by_a_subquery
{{ config(materialized='view', event_time='t') }}
select r.id, r.t from {{ source('raw', 'events') }} r left join (select k, min(g) g from {{ source('raw', 'ticks') }} group by k) s on s.k = (select max(u.k) from {{ source('raw', 'dims') }} u where u.g = s.g)
