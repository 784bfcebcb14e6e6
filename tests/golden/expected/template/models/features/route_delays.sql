-- A route has few flights a day: longer windows, and whether the last week was worse than the one before.


select
    origin,
    dest,
    landed_utc,
    avg(arr_delay) /* window: 7 days */ as delay_7d, avg(arr_delay) /* window: 30 days */ as delay_30d,
    avg(is_late::int) /* window: 30 days */ as late_30d,
    avg(arr_delay) /* window: 7 days */ - avg(arr_delay) /* window: 7 days, offset 7 days */ as delay_trend
from "main"."stg_arrivals"
