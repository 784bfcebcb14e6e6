-- verdict: unsafe
-- columns: w
-- why: Such a view's windows are of the instant from which its row is usable, a month after the event: up to 31 days.
-- found: by reading the checker
-- model: monthly_view
{{ config(materialized='feature_view', entity='k', event_time='t', available_after='1 month') }}
select k, t, {{ window('sum(x)', '7 days') }} as w from {{ source('raw', 'ticks') }}
-- model: windows_after_a_month
{{ config(materialized='view', event_time='t', available_after='1 microsecond') }}
select k, t + interval '30 days' as t, w from {{ ref('monthly_view') }}
