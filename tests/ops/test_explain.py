"""Explain a row of a training set: the source row that was used, and one reason for each that was not.

Every sensor is a story of its own, asked about at noon.
"""

from __future__ import annotations

import pytest

from sqlfeat import Project
from sqlfeat.errors import UsageError
from tests.made.readings import NOON, hours, project

STORIES = [
    # sensor, at, known, seq, number, value
    ("calm", -2, -2, 1, 1, 20.5),
    *(("calm", at, at, 1, at + 1, 21.0 + at) for at in range(1, 9)),
    ("late", -2, -2, 1, 10, 1.0),
    ("late", -1, 1, 1, 11, 2.0),
    ("stale", -6.5, -6.5, 1, 20, 1.0),
    ("stale", -7, -7, 1, 21, 0.0),
    ("tied", -1, -1, 1, 30, 1.0),
    ("tied", -1, -1, 2, 31, 0.0),
    ("twins", -1, -1, 1, 40, 1.0),
    ("twins", -1, -1, 1, 40, 2.0),
    ("corrected", -1, -1, 1, 50, 9.0),
    ("corrected", -1, -0.5, 1, 50, 3.0),
    ("overtaken", -2, -0.5, 1, 60, 1.0),
    ("overtaken", -1, -1, 1, 61, 2.0),
    ("replaced", -3, -3, 1, 70, 1.0),
    ("replaced", -2, -2, 1, 71, 2.0),
    ("timeless", None, -1, 1, 80, 1.0),
    ("timeless", -1, None, 1, 81, 2.0),
    ("timeless", -2, -2, 1, 82, 3.0),
    ("unborn", 1, 1, 1, 90, 1.0),
    ("secret", -1, 1, 1, 100, 1.0),
    ("edge", 0, 0, 2, 110, 1.0),
    ("edge", -6, -6, 1, 111, 2.0),
    ("busy", -3, -3, 1, 120, 1.0),
    *(("busy", -2 + i / 10, 1, 1, 121 + i, 2.0) for i in range(9)),
    *(("busy", 1 + i, 1 + i, 1, 131 + i, 2.0) for i in range(4)),
    (None, -1, -1, 1, 140, 1.0),
]
SENSORS = [*dict.fromkeys(story[0] for story in STORIES if story[0]), "ghost", None]
ASKED = [(number, sensor, 0) for number, sensor in enumerate(SENSORS)]
TWICE = [(100, "calm", 0), (100, "calm", 2), (101, "calm", None)]


@pytest.fixture(scope="module")
def sensors(tmp_path_factory):
    with Project.load(project(tmp_path_factory.mktemp("sensors"), STORIES, [*ASKED, *TWICE])) as opened:
        yield opened


@pytest.fixture
def told(sensors):
    """What is told of the row that a sensor's value came from."""

    def told(sensor, column="value"):
        (lookup,) = sensors.explain("held", {"row_id": SENSORS.index(sensor)}, column=column).lookups
        return lookup.row

    return told


def reasons(told):
    return [(unused.row.values["value"], unused.reason) for unused in told.unused]


# ---- which row was used, and why no other


def test_the_row_that_holds_is_told_with_its_times_and_values(sensors):
    explanation = sensors.explain("held", "row_id=0", column="value")
    (lookup,) = explanation.lookups

    assert explanation.as_of == NOON
    assert (lookup.view, lookup.keys, lookup.given, lookup.ttl) == (
        "readings",
        {"sensor": "calm"},
        {"sensor": '"sensor"'},
        "6 hours",
    )
    assert (lookup.row.row.event_time, lookup.row.row.available_at) == (hours(-2), hours(-2))
    assert lookup.row.row.values == {"value": 20.5, "seq": 1}
    assert [(output.name, output.value, output.features) for output in explanation.outputs] == [
        ("value", 20.5, ("readings.value",))
    ]


def test_rows_that_happened_after_the_question_are_the_next_ones_and_a_count(told):
    calm = told("calm")

    assert reasons(calm) == [(23.0, "after"), (22.0, "after")]
    assert (calm.counts, calm.not_shown, calm.older) == ({"after": 8}, 6, 0)
    assert calm.unused[0].why == "happened after the as-of time"


def test_a_row_that_came_later_was_not_yet_known(told):
    late = told("late")

    assert late.row.values["value"] == 1.0
    assert reasons(late) == [(2.0, "not-yet-known")]
    assert late.unused[0].why == "not yet known (available at 2024-05-01 13:00:00Z)"


def test_a_row_older_than_the_ttl_has_expired(told):
    stale = told("stale")

    assert (stale.outcome, stale.row) == ("expired", None)
    assert reasons(stale) == [(1.0, "expired"), (0.0, "expired")]


def test_a_tie_breaker_replaces_its_equals(told):
    tied = told("tied")

    assert tied.row.values == {"value": 0.0, "seq": 2}
    assert reasons(tied) == [(1.0, "tie-breaker")]


def test_a_tie_that_nothing_declared_decides_is_called_one(told):
    assert (told("twins").row.values["value"], reasons(told("twins"))) == (2.0, [(1.0, "tie")])


def test_a_correction_supersedes(told):
    assert (told("corrected").row.values["value"], reasons(told("corrected"))) == (3.0, [(9.0, "superseded")])


def test_a_row_that_a_newer_one_overtook_was_out_of_date_on_arrival(told):
    overtaken = told("overtaken")

    assert (overtaken.row.values["value"], reasons(overtaken)) == (2.0, [(1.0, "out-of-date")])
    assert overtaken.unused[0].why == "out of date on arrival"


def test_rows_that_were_replaced_in_their_time_are_older(told):
    assert (told("replaced").counts, told("replaced").older) == ({}, 1)


def test_a_row_without_a_time_is_never_used(told):
    timeless = told("timeless")

    assert timeless.row.values["value"] == 3.0
    assert sorted(reasons(timeless)) == [(1.0, "no-time"), (2.0, "no-time")]


@pytest.mark.parametrize(
    ("sensor", "outcome"),
    [("unborn", "too-early"), ("secret", "not-yet-known"), ("ghost", "no-history"), (None, "null-key")],
)
def test_no_row_has_a_reason_too(told, sensor, outcome):
    assert (told(sensor).row, told(sensor).outcome) == (None, outcome)


def test_an_unknown_time_is_a_reason_too(sensors):
    (lookup,) = sensors.explain("held", {"row_id": 101}, column="value").lookups

    assert (lookup.row.row, lookup.row.outcome) == (None, "null-time")


def test_a_row_at_the_very_instant_is_used_unless_the_lookup_is_strict(told):
    assert told("edge").row.event_time == NOON
    strict = told("edge", "seq_before")
    assert (strict.row.event_time, strict.row.values) == (hours(-6), {"seq": 1})
    assert [(unused.row.event_time, unused.reason) for unused in strict.unused] == [(NOON, "after")]


def test_of_many_rows_a_handful_is_shown_and_the_rest_counted(told):
    busy = told("busy")

    assert [unused.reason for unused in busy.unused] == ["after"] * 2 + ["not-yet-known"] * 3
    assert [unused.row.event_time for unused in busy.unused] == [hours(h) for h in (2, 1, -1.2, -1.3, -1.4)]
    assert (busy.counts, busy.not_shown) == ({"not-yet-known": 9, "after": 4}, 8)


# ---- which lookups


def test_without_a_column_every_output_and_every_lookup_is_told(sensors):
    explanation = sensors.explain("held", {"row_id": 0})

    assert [output.name for output in explanation.outputs] == [
        "row_id", "asked_at", "sensor", "value", "seq_before", "double_seq", "latest", "label",
    ]  # fmt: skip
    assert [(lookup.view, lookup.strict) for lookup in explanation.lookups] == [
        ("readings", False), ("readings", True), ("everywhere", False),
    ]  # fmt: skip
    assert [(column.name, column.outputs) for column in explanation.lookups[0].columns] == [
        ("value", ("value",)), ("seq", ("double_seq",)),
    ]  # fmt: skip


def test_an_output_that_is_computed_is_told_with_its_text(sensors):
    explanation = sensors.explain("held", {"row_id": SENSORS.index("tied")}, column="double_seq")

    assert [(o.value, o.sql, o.features) for o in explanation.outputs] == [(4, "readings.seq * 2", ("readings.seq",))]


def test_a_view_without_an_entity_is_looked_up_by_no_key(sensors):
    (lookup,) = sensors.explain("held", {"row_id": 0}, column="latest").lookups

    assert (lookup.view, lookup.keys, lookup.row.row.event_time) == ("everywhere", {}, NOON)


def test_a_key_that_a_feature_gives_is_explained_with_that_feature(sensors):
    lookups = sensors.explain("sited", "sensor=calm,row_id=0").lookups
    places, sites = sorted(lookups, key=lambda lookup: lookup.view)

    assert (sites.keys, sites.given) == ({"site": "roof"}, {"site": "places.site"})
    assert (sites.row.row.values, sites.row.counts) == ({"wind": 3}, {"after": 1})
    assert (places.row.row.event_time, places.row.row.values) == (None, {"site": "roof"})


def test_label_rows_may_come_from_a_source_itself(sensors):
    explanation = sensors.explain("direct", {"row_id": SENSORS.index("tied")})

    assert [(o.name, o.value) for o in explanation.outputs] == [
        ("row_id", SENSORS.index("tied")), ("asked_at", NOON), ("value", 0.0),
    ]  # fmt: skip


# ---- windows


def test_a_window_is_told_with_its_interval_and_what_became_of_its_events(sensors):
    row = SENSORS.index("corrected")
    (lookup,) = sensors.explain("summed", {"row_id": row}, column="n_6h").lookups
    ((read,),) = [column.windows for column in lookup.columns]

    assert lookup.row is None
    assert (lookup.columns[0].value, read.aggregate, read.length) == (1, "count(*)", "6 hours")
    assert (read.start, read.end) == (hours(-6), NOON)
    assert (read.events, read.not_yet_known, read.superseded, read.filtered_out) == (1, 0, 1, 0)
    assert (read.first.event_time, read.first.available_at) == (hours(-1), hours(-0.5))


def test_a_window_counts_what_its_filter_left_out_and_what_was_not_known(sensors):
    row = SENSORS.index("late")
    (lookup,) = sensors.explain("summed", {"row_id": row}, column="high_6h").lookups
    ((read,),) = [column.windows for column in lookup.columns]

    assert (read.events, read.not_yet_known, read.filtered_out) == (0, 1, 1)
    assert (lookup.columns[0].value, read.first, read.last) == (None, None, None)


def test_an_expression_over_windows_is_told_window_by_window(sensors):
    row = SENSORS.index("replaced")
    (lookup,) = sensors.explain("summed", {"row_id": row}, column="spread").lookups
    ((offset, unbounded),) = [column.windows for column in lookup.columns]

    assert (offset.offset, offset.start, offset.end) == ("1 hour", hours(-7), hours(-1))
    assert (unbounded.length, unbounded.start, unbounded.end) == ("unbounded", None, NOON)
    assert (unbounded.first.values, unbounded.last.values) == ({"value": 1.0}, {"value": 2.0})


# ---- which row is meant


def test_the_only_key_needs_no_name(sensors):
    assert sensors.explain("held", "0", column="value").keys == {"row_id": 0, "asked_at": NOON}


def test_of_several_rows_the_first_is_explained_and_the_others_are_told(sensors):
    explanation = sensors.explain("held", "row_id=100", column="value")

    assert explanation.matching == 2
    assert (explanation.as_of, explanation.others) == (NOON, ({"row_id": 100, "asked_at": hours(2)},))


def test_the_as_of_time_tells_rows_of_one_key_apart(sensors):
    explanation = sensors.explain("held", "row_id=100,asked_at=2024-05-01 14:00", column="value")

    assert (explanation.matching, explanation.as_of, explanation.outputs[0].value) == (1, hours(2), 23.0)
    assert sensors.explain("held", {"row_id": 100, "asked_at": hours(2)}, column="value") == explanation


def test_a_key_that_is_null_is_asked_for_with_null(sensors):
    explanation = sensors.explain("held", "row_id=101,asked_at=null")

    assert (explanation.matching, explanation.as_of) == (1, None)


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        ("row_id=999", "no-such-row", "row_id=0 or row_id=1"),
        ("row_id=abc", "no-such-row", "row_id=0"),
        ("rowid=3", "unknown-row-key", "did you mean 'row_id'?"),
        ("", "bad-row", "--row row_id=…"),
        ({}, "bad-row", "--row row_id=…"),
        ({"sensor": "calm"}, "unknown-row-key", "row_id"),
    ],
)
def test_a_row_that_cannot_be_found_is_a_mistake_with_a_hint(sensors, row, code, words):
    with pytest.raises(UsageError) as caught:
        sensors.explain("held", row)

    assert (caught.value.code, words in (caught.value.hint or "")) == (code, True), caught.value


def test_where_there_are_several_keys_a_value_alone_names_no_row(sensors):
    with pytest.raises(UsageError) as caught:
        sensors.explain("sited", "calm")

    assert (caught.value.code, caught.value.hint) == ("bad-row", "its keys are needed: --row row_id=…,sensor=…")


def test_an_unknown_output_is_a_mistake_with_a_hint(sensors):
    with pytest.raises(UsageError) as caught:
        sensors.explain("held", "0", column="valu")

    assert (caught.value.code, caught.value.hint) == ("unknown-output", "did you mean 'value'?")
