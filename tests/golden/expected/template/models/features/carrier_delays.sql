-- How an airline has been doing. A window is a function of time: for a question asked at t it counts the flights
-- that landed in (t - 7 days, t], and those that are still in the air are not known yet.


select
    carrier,
    landed_utc,
    avg(arr_delay) /* window: 3 hours */ as delay_3h, avg(arr_delay) /* window: 1 day */ as delay_1d, avg(arr_delay) /* window: 7 days */ as delay_7d,     -- delay_3h, delay_1d, delay_7d
    avg(is_late::int) /* window: 7 days */ as late_7d,
    count(*) /* window: 1 day */ as flights_1d, count(*) /* window: 7 days */ as flights_7d                     -- flights_1d, flights_7d
from "main"."stg_arrivals"
