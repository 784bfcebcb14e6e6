-- verdict: safe
-- columns: id, t, x
-- why: The newest row by then, as the one without a newer one by then.
-- found: once called unsafe (--strict)
-- model: newest_by_not_exists
{{ config(materialized='view', event_time='t') }}
select r.id, r.t, v.x from {{ source('raw', 'ticks') }} r left join {{ source('raw', 'ticks') }} v on v.k = r.k and v.t <= r.t and not exists (select 1 from {{ source('raw', 'ticks') }} w where w.k = v.k and w.t > v.t and w.t <= r.t)
