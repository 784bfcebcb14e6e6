-- verdict: unsafe
-- columns: id, t
-- why: A grouping set said twice gives each group twice, so its keys are not unique.
-- found: by reading the checker
-- model: one_grouping_set_twice
{{ config(materialized='view', event_time='t') }}
select r.id, r.t from {{ source('raw', 'events') }} r left join (select k from {{ source('raw', 'ticks') }} group by grouping sets ((k), (k))) g on g.k = r.k
