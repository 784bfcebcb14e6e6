"""The small chart library: what is drawn is what was given, whatever it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlfeat.ops.monitoring.charts import (
    Bar,
    Dot,
    Flag,
    Level,
    Track,
    Words,
    bars,
    blocks,
    shared_flags,
    spark,
    timeline,
)
from sqlfeat.ops.monitoring.figures import number, percent, short, span, times

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
WORDS = Words("k", "A title & more", "what <is> shown")
SHARES = st.floats(0, 1)


def dots(*values: float | None, now: bool = False, start: int = 0) -> list[Dot]:
    return [Dot(FIRST + timedelta(days=start + day), value, now) for day, value in enumerate(values)]


def drawn(svg: str, kind: str) -> list[str]:
    return [one.get("d") for one in ElementTree.fromstring(svg).iter("path") if one.get("class") == kind]


def heights(path: str) -> list[float]:
    return [int(one) / 10 for one in re.findall(r"v(-?\d+)h", path)]


def test_bars_are_as_high_as_their_shares():
    svg = bars([Bar("a", 0.5, 0.25, 0, 1), Bar("b", 0.25, 0.0, 1, 2), Bar("c", 0.25, 0.75, 2, 3)], WORDS)

    (then,), (now,) = drawn(svg, "then"), drawn(svg, "now")
    assert heights(then) == [-92.5, -46.2, -46.2]
    assert heights(now) == [-46.2, -138.8]


@given(st.lists(st.tuples(SHARES, SHARES), max_size=40))
def test_bars_stay_on_the_sheet(shares):
    found = [Bar(str(place), then, now, place, place + 1) for place, (then, now) in enumerate(shares)]
    svg = bars(found, WORDS)

    ElementTree.fromstring(svg)
    for path in (*drawn(svg, "then"), *drawn(svg, "now")):
        assert all(-148.05 <= one <= 0 for one in heights(path))


def test_a_bar_tells_its_figures_only_where_that_is_asked_for():
    found = [Bar("<a>", 0.5, 0.25)]

    assert "&lt;a&gt;: 50.0 % before, 25.0 % now" in bars(found, WORDS)
    assert "50.0 % before" not in bars(found, WORDS, told=False)


def test_a_line_has_a_gap_where_there_is_no_value_and_a_dot_where_one_stands_alone():
    svg = timeline([Track("x", dots(1, 2, None, 3, None, 2, 2))], [], WORDS)

    (path,) = drawn(svg, "line then")
    assert path.count("M") == 2
    assert len(list(ElementTree.fromstring(svg).iter("circle"))) == 1


@given(st.lists(st.none() | st.floats(), max_size=300), st.integers(0, 300), st.integers(1, 100))
def test_any_timeline_is_drawn_within_the_sheet(values, split, most):
    found = [Dot(FIRST + timedelta(hours=hour), value, hour >= split) for hour, value in enumerate(values)]
    svg = timeline([Track("x", found, [Level(0.2, "threshold", "limit")])], [], WORDS, most)

    if not svg:
        return
    sheet = ElementTree.fromstring(svg)
    width, height = (float(one) for one in sheet.get("viewBox").split()[2:])
    for path in (*drawn(svg, "line then"), *drawn(svg, "line now")):
        for run in path.split("M")[1:]:
            numbers = [float(one) for one in re.findall(r"-?[\d.]+", run)]
            x, y = numbers[:2]
            assert len(numbers) <= 2 * most
            for right, down in zip(numbers[2::2], numbers[3::2], strict=True):
                x, y = x + right, y + down
                assert -1 <= x <= 10 * width + 1  # in tenths
                assert -1 <= y <= 10 * height + 1


def test_neighbours_become_their_mean_by_their_rows():
    found = [Dot(FIRST, 1.0, False, 30), Dot(FIRST + timedelta(days=1), 4.0, False, 10)]
    svg = timeline([Track("x", [*found, *dots(0, 0, start=2)])], [], WORDS, 2)

    assert ">1.75<" in svg


def test_flags_stand_where_something_happened_and_near_ones_of_a_kind_are_one():
    soon = FIRST + timedelta(days=5)
    flags = [
        Flag(soon, "trained", "m@v1"),
        Flag(soon, "built", "a"),
        Flag(soon + timedelta(minutes=1), "built", "b"),
        Flag(FIRST + timedelta(days=900), "built", "later"),
    ]
    svg = timeline([Track("x", dots(*range(10)))], flags, WORDS)

    assert [one.text for one in ElementTree.fromstring(svg).iter("title")] == [
        "A title & more",
        "trained 2024-01-06 00:00: m@v1",
        "built 2024-01-06 00:00: a, b",
        "built after the time that is shown, 2026-06-19 00:00: later",
    ]


def test_what_charts_have_alike_is_drawn_once():
    shared: dict[str, str] = {}
    flags = [Flag(FIRST - timedelta(days=2), "built", "a"), Flag(FIRST, "trained", "m@v1")]
    charts = [timeline([Track("x", dots(*values))], flags, WORDS, shared=shared) for values in ((1, 2), (3, 4))]
    more = timeline([Track("x", dots(1, 2)), Track("y", dots(1, 2))], flags, WORDS, shared=shared)

    assert list(shared.values()) == ["flags0", "flags1"]
    assert [one.count('href="#flags0"') for one in (*charts, more)] == [1, 1, 0]
    assert "built before the time that is shown, 2023-12-30 00:00: a" in shared_flags(shared)
    assert shared_flags({}) == ""


def test_nothing_makes_no_chart():
    assert timeline([Track("x", dots(None, None))], [], WORDS) == ""
    assert timeline([], [], WORDS) == ""
    assert "line" not in spark([])
    assert blocks([]) == ""


def test_a_spark_of_text_parts_before_from_now():
    assert blocks([*dots(0, 1, None), *dots(4, 8, now=True, start=3)]) == "▁▂ │▅█"


@given(st.floats(-1e99, 1e99).filter(lambda value: not value or abs(value) > 1e-99))
def test_a_value_at_an_axis_is_short_and_nearly_right(value):
    text = short(value)
    units = {"G": 1e9, "M": 1e6, "k": 1e3}
    read = float(text.rstrip("GMk").replace(",", "")) * units.get(text[-1], 1)

    assert len(text) <= (8 if "e" in text else 7)
    assert read == pytest.approx(value, rel=0.051, abs=1e-299)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (percent(0.0004), "<0.1 %"),
        (percent(0.1234), "12.3 %"),
        (percent(None), "none"),
        (number(5e-324), "0"),
        (number(float("inf")), "beyond all bounds"),
        (number(1_234_567.8), "1,234,568"),
        (short(12_345), "12.3k"),
        (short(-2_500_000), "-2.5M"),
        (short(-7_884.2), "-7,884"),
        (short(999.7), "1,000"),
        (short(0.05061), "0.0506"),
        (short(-0.001234), "-1.2e-3"),
        (short(3e14), "3e14"),
        (span(7_200), "2.0 hours"),
        (times(1e-9), "less than once in a million times"),
        (times(0.0018), "about once in 560 times"),
        (times(0.4), "40 times in 100"),
    ],
)
def test_figures_read_as_people_write_them(shown, expected):
    assert expected == shown
