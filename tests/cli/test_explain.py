"""``sqlfeat explain``: what it passes on, and how an explanation reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sqlfeat.engine.explanation import ExplainedColumn, ExplainedLookup, RowLookup, UnusedRow, ViewRow, WindowRead
from sqlfeat.ops.explain import ExplainedOutput, Explanation


def at(hour, minute=0):
    return datetime(2013, 2, 1, hour, minute, tzinfo=UTC)


def weather(hour, temp):
    return ViewRow(at(hour), at(hour + 1), {"temp": temp})


TEMPERATURE = ExplainedLookup(
    name="__sqlfeat_l0",
    view="airport_weather",
    keys={"airport": "EWR"},
    given={"airport": "f.origin"},
    strict=False,
    ttl="2 hours",
    columns=(ExplainedColumn("temp", 39.02, outputs=("origin_temp",)),),
    row=RowLookup(
        outcome="found",
        row=weather(10, 39.02),
        unused=(UnusedRow(weather(13, 37.0), "after"), UnusedRow(weather(11, 38.5), "not-yet-known")),
        counts={"after": 2017, "not-yet-known": 1},
        older=134,
    ),
)
DELAYS = ExplainedLookup(
    name="__sqlfeat_l1",
    view="carrier_delays",
    keys={"carrier": "MQ"},
    given={"carrier": '"carrier"'},
    strict=True,
    ttl=None,
    columns=(
        ExplainedColumn(
            "trend",
            None,
            (
                WindowRead(
                    "avg(delay)", "3 hours", None, at(8, 30), at(11, 30), 19, 2, 1, 3,
                    ViewRow(at(8, 31), at(8, 31), {"delay": 1}), ViewRow(at(11), at(11), {"delay": -3}),
                ),
                WindowRead("min(delay)", "unbounded", "1 hour", None, at(10, 30), 0, 0, 0, 0, None, None),
            ),
            ("delay_trend",),
        ),
    ),
    row=None,
)  # fmt: skip
EXPLAINED = Explanation(
    name="late_flights",
    keys={"flight_id": 5000, "asked_utc": at(11, 30)},
    as_of=at(11, 30),
    outputs=(
        ExplainedOutput("origin_temp", 39.02, "input", "airport_weather.temp", ("airport_weather.temp",)),
        ExplainedOutput(
            "delay_trend", None, "input", "coalesce(carrier_delays.trend,\n  null)", ("carrier_delays.trend",)
        ),
    ),
    lookups=(TEMPERATURE, DELAYS),
)  # fmt: skip

READS = """\
late_flights   flight_id 5000, asked_utc 2013-02-01 11:30:00Z

  output        value   from
  origin_temp   39.02   airport_weather.temp
  delay_trend   null    coalesce(carrier_delays.trend, null)

airport_weather   at 2013-02-01 11:30:00Z   airport = EWR (f.origin)   not older than 2 hours
      event time             available at           temp
      2013-02-01 13:00:00Z   2013-02-01 14:00:00Z   37.0    happened after the as-of time
      2013-02-01 11:00:00Z   2013-02-01 12:00:00Z   38.5    not yet known (available at 2013-02-01 12:00:00Z)
  →   2013-02-01 10:00:00Z   2013-02-01 11:00:00Z   39.02   used
  not shown: 2,016 happened after the as-of time, 134 older

carrier_delays   strictly before 2013-02-01 11:30:00Z   carrier = MQ
  trend = null
    avg(delay) over 3 hours                          [2013-02-01 08:30:00Z, 2013-02-01 11:30:00Z)   \
19 events, 2 not yet known, 1 superseded by a correction, 3 filtered out   \
first 2013-02-01 08:31:00Z, last 2013-02-01 11:00:00Z
    min(delay) over all time, ending 1 hour before   [-∞, 2013-02-01 10:30:00Z)                     0 events
"""


def test_the_row_that_was_used_stands_among_those_that_were_not(project, typing):
    project.answers["explain"] = EXPLAINED

    assert typing("explain", "late_flights", "--row", "5000").out == READS
    assert project.calls["explain"] == (("late_flights", "5000"), {"column": None})


def test_an_output_can_be_asked_for_alone(project, typing):
    project.answers["explain"] = EXPLAINED
    typing("explain", "late_flights", "--row", "flight_id=5000", "--column", "origin_temp")

    assert project.calls["explain"] == (("late_flights", "flight_id=5000"), {"column": "origin_temp"})


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("expired", "null: expired: the newest known row is older than the ttl"),
     ("no-history", "null: no history for this key")],
)  # fmt: skip
def test_where_no_row_was_used_the_reason_is_told(project, typing, outcome, words):
    nothing = RowLookup(outcome, None, (), {}, 0)
    lookup = ExplainedLookup("l", "airport_weather", {"airport": None}, {"airport": "f.dest"}, False, None, (), nothing)
    project.answers["explain"] = Explanation("late_flights", {"flight_id": 1}, None, (), (lookup,))

    told = typing("explain", "late_flights", "--row", "1").out
    assert f"airport_weather   at null   airport = null (f.dest)\n  {words}\n" in told


def test_other_rows_of_the_key_are_told(project, typing):
    others = ({"flight_id": 1, "asked_utc": at(3)},)
    project.answers["explain"] = Explanation("late", {"flight_id": 1}, at(1), (), (), 2, others)

    told = typing("explain", "late", "--row", "1").out
    assert "2 label rows match, and this is the first. Others: flight_id 1, asked_utc 2013-02-01 03:00:00Z" in told


def test_json_has_every_row_with_its_reason(project, typing):
    project.answers["explain"] = EXPLAINED
    document = typing("explain", "late_flights", "--row", "5000", "--json").document

    temperature, delays = document["lookups"]
    assert (document["name"], document["as_of"], document["matching"]) == ("late_flights", "2013-02-01T11:30:00Z", 1)
    assert document["outputs"][0] == {
        "name": "origin_temp", "value": 39.02, "role": "input", "sql": "airport_weather.temp",
        "features": ["airport_weather.temp"],
    }  # fmt: skip
    assert temperature["row"]["row"] == {
        "event_time": "2013-02-01T10:00:00Z", "available_at": "2013-02-01T11:00:00Z", "values": {"temp": 39.02},
    }  # fmt: skip
    assert [unused["reason"] for unused in temperature["row"]["unused"]] == ["after", "not-yet-known"]
    assert temperature["row"]["counts"] == {"after": 2017, "not-yet-known": 1}
    assert [window["events"] for window in delays["columns"][0]["windows"]] == [19, 0]


def test_a_row_must_be_named(typing):
    told = typing("explain", "late_flights")

    assert (told.code, "missing-argument" in told.err) == (2, True)
