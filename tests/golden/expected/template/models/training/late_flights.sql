-- __sqlfeat_l0: the row of carrier_delays that holds at the as-of time by carrier = "carrier"
-- __sqlfeat_l1: the row of origin_delays that holds at the as-of time by origin = "origin"
-- __sqlfeat_l2: the row of route_delays that holds at the as-of time by origin = "origin", dest = "dest"
-- __sqlfeat_l3: the row of airport_weather that holds at the as-of time by airport = f.origin, not older than 2 hours
-- __sqlfeat_l4: the row of tail_arrivals that holds at the as-of time by tailnum = "tailnum"
-- One row for each row of flights_asked, with every feature as it was known at asked_utc.
--
-- The first week only fills the windows. Before each split as much is left out as an answer takes to become known
-- (the embargo: by default the horizon of flights_asked), as it would have to be on the day.


select
    f.flight_id,
    f.asked_utc,
    f.sched_dep_utc,

    -- what the question itself says
    f.carrier,
    f.origin,
    f.dest,
    f.distance,
    f.sched_minutes,
    hour(f.sched_dep_utc at time zone 'America/New_York') as dep_hour,
    isodow(f.sched_dep_utc at time zone 'America/New_York') as dep_weekday,

    -- what was known when it was asked: keys are found by name in f, or given with `on`
    __sqlfeat_l0."delay_3h" as "carrier_delay_3h",
    __sqlfeat_l0."delay_1d" as "carrier_delay_1d",
    __sqlfeat_l0."delay_7d" as "carrier_delay_7d",
    __sqlfeat_l0."late_7d" as "carrier_late_7d",
    __sqlfeat_l0."flights_1d" as "carrier_flights_1d",
    __sqlfeat_l0."flights_7d" as "carrier_flights_7d",
    __sqlfeat_l1."delay_3h" as "origin_delay_3h",
    __sqlfeat_l1."delay_1d" as "origin_delay_1d",
    __sqlfeat_l1."max_delay_3h" as "origin_max_delay_3h",
    __sqlfeat_l1."departures_3h" as "origin_departures_3h",
    __sqlfeat_l2."delay_7d" as "route_delay_7d",
    __sqlfeat_l2."delay_30d" as "route_delay_30d",
    __sqlfeat_l2."late_30d" as "route_late_30d",
    __sqlfeat_l2."delay_trend" as "route_delay_trend",
    __sqlfeat_l3."temp" as "origin_temp",
    __sqlfeat_l3."humid" as "origin_humid",
    __sqlfeat_l3."wind_speed" as "origin_wind_speed",
    __sqlfeat_l3."precip" as "origin_precip",
    __sqlfeat_l3."visib" as "origin_visib",
    __sqlfeat_l4."arr_delay" as plane_delay,
    date_diff('minute', __sqlfeat_l4."landed_utc", f.asked_utc) as minutes_since_landing,
    __sqlfeat_l1."delay_3h" - __sqlfeat_l1."delay_1d" as origin_delay_gap,

    f.is_late
from "main"."flights_asked" as f
