-- A test is a query that must return no row. flights_asked promises that a label is known 36 hours after its question.
select
    f.flight_id,
    f.asked_utc,
    a.landed_utc
from {{ ref('flights_asked') }} as f
join {{ ref('stg_arrivals') }} as a using (flight_id)
where a.landed_utc > f.asked_utc + interval '36 hours'
