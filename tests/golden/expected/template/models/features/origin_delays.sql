-- How things go at the airport just now, told by the planes that have left it.


select
    origin,
    dep_utc,
    avg(dep_delay) /* window: 3 hours */ as delay_3h, avg(dep_delay) /* window: 1 day */ as delay_1d,
    max(dep_delay) /* window: 3 hours */ as max_delay_3h,
    count(*) /* window: 3 hours */ as departures_3h
from "main"."stg_departures"
