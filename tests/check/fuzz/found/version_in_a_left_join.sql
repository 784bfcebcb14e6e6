-- verdict: safe
-- columns: id, t, x
-- why: The version in force, looked up by a left join: whether the next one has begun is known by then.
-- found: once called unsafe (--strict)
-- model: version_in_a_left_join
{{ config(materialized='view', event_time='t') }}
with v as (select id, k, t as f, x, lead(t) over (partition by k order by t) as u from {{ source('raw', 'ticks') }}) select r.id, r.t, v.x from {{ source('raw', 'ticks') }} r left join v on v.k = r.k and v.f <= r.t and (v.u is null or r.t < v.u)
