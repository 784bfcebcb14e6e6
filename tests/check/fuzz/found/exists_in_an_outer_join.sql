-- verdict: safe
-- columns: id, t, z
-- why: What EXISTS in the ON of an outer join reads is bounded in the pairs by way of the joined row.
-- found: once called unsafe (--strict)
-- model: exists_in_an_outer_join
{{ config(materialized='view', event_time='t', available_after='1 day') }}
select r.*, s.y as z from {{ source('raw', 'ticks') }} s right join {{ source('raw', 'closed') }} r on s.k = r.k and s.t <= r.t - interval '1 hour' and exists (select 1 from {{ source('raw', 'events') }} u where u.g = s.g and s.t >= u.t)
