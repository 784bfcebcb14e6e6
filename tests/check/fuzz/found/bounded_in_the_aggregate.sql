-- verdict: safe
-- columns: f1
-- why: The later of two keys bounds the rows that the FILTER lets in.
-- found: once called unsafe (--strict)
-- model: bounded_in_the_aggregate
{{ config(materialized='view', event_time='t', available_at='a') }}
select r.id, r.t, r.a, count(s.x) filter (where not (s.t > greatest(r.t, r.a))) f1 from {{ source('raw', 'late') }} r left join {{ source('raw', 'events') }} s on s.k = r.k group by r.id, r.t, r.a
