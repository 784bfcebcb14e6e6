-- verdict: unsafe
-- columns: id, t
-- why: A column of the left row, passed through a left lateral join, is null where nothing matches.
-- found: by reading the checker
-- model: optional_copy_of_the_outer_row
{{ config(materialized='view', event_time='t') }}
select r.id, coalesce(l.at, r.t - interval '1 hour') as t from {{ source('raw', 'events') }} r left join lateral (select r.t as at from {{ source('raw', 'dims') }} s where s.k = r.k) l on true where r.t is not null
