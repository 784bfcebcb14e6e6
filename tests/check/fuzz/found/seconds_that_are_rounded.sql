-- verdict: unsafe
-- columns: id, x
-- why: A literal of whole seconds is rounded, so rows of the next second pass.
-- found: bounds
-- model: seconds_that_are_rounded
{{ config(materialized='view', event_time='at') }}
select id, timestamp '2024-02-01 00:00:00.95' as at, x from {{ source('raw', 'ticks') }} where t <= timestamp_s '2024-02-01 00:00:00.9'
