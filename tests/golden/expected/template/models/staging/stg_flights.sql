-- The timetable: what is fixed long before a plane leaves. It has no time of its own (`immutable`), so it may be
-- joined to anything at any time.


select
    flight_id,
    carrier,
    tailnum,
    origin,
    dest,
    distance,
    sched_dep_utc,
    date_diff('minute', sched_dep_utc, sched_arr_utc) as sched_minutes
from "raw"."flights"
