-- The label rows: one question for each flight, asked an hour before it should leave, with its answer.
--
-- A label looks into the future, and `role='label'` says that it may; `horizon` says how far: 36 hours after the
-- question every answer is known (tests/label_is_known_in_time.sql). Cancelled and diverted flights have no answer.


select
    f.flight_id,
    f.sched_dep_utc - interval '60 minutes' as asked_utc,
    f.sched_dep_utc,
    f.carrier,
    f.tailnum,
    f.origin,
    f.dest,
    f.distance,
    f.sched_minutes,
    a.is_late
from "main"."stg_flights" as f
join "main"."stg_arrivals" as a using (flight_id)
