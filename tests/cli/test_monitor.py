"""``sqlfeat monitor``: what it passes on, how a look reads on a terminal, the history, and the exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sqlfeat.ops.monitoring.history import Remembered
from sqlfeat.ops.monitoring.results import (
    BREACH,
    OK,
    Cause,
    ColumnResult,
    Finding,
    Measure,
    Monitoring,
    Performance,
    Point,
    Side,
    SliceResult,
    Summary,
)


def day(number: int) -> datetime:
    return datetime(2024, 5, number, tzinfo=UTC)


def column(name: str, level: str, psi: float, **more) -> ColumnResult:
    measure = Measure("psi", psi, 0.2, level, 0.01, 1e-9, 1e-8, f"{name} has moved.")
    timeline = tuple(
        Point(day(number), "baseline" if number < 5 else "current", 10, 0.0, 1.0, 0.1 if number < 5 else psi)
        for number in range(1, 8)
    )
    return ColumnResult(
        name, "feature", "DOUBLE", "numeric", level, Summary(40, 0, 0, 1.5), Summary(30, 3, 0, 2.5), (measure,),
        {"psi": psi}, (), timeline, first_seen=day(5) if level != OK else None, **more,
    )  # fmt: skip


CAUSE = Cause("amount", "raw.orders", 2, 1.25, 0.0, BREACH, "amount has moved.", day(5))
DRIFTED = column("spent", BREACH, 1.5, causes=(CAUSE,), share=0.75)
STEADY = column("items", OK, 0.01, share=0.25)
FOUND = Monitoring(
    name="buyer", kind="model", reference="buyer@v1", checked_at=day(8), against="baseline", window="day",
    baseline=Side("training set buys@0f3a, split train", day(1), day(5), 40),
    current=Side("what buyer@v1 served (log)", day(5), day(8), 30, "log"),
    level=BREACH, sentence="buyer@v1 is not as it was: 1 of 2 columns has drifted, spent.",
    findings=(Finding(BREACH, "psi", "spent", "spent has moved.", 7.5, day(5)),), measures=(),
    columns=(DRIFTED, STEADY),
    performance=Performance(
        30, 20, "test", "auc", Measure("performance", 0.1, 0.05, BREACH), 0.6, 0.7, {"auc": 0.65}, {"auc": 0.75}
    ),
    slices=(SliceResult("channel", "web", 20, 15, OK, (), {"auc": 0.66}),), notes=("The period is short.",),
)  # fmt: skip

TEXT = """\
buyer@v1 is not as it was: 1 of 2 columns has drifted, spent.

  now      what buyer@v1 served (log), 2024-05-05 to 2024-05-08, 30 rows
  before   training set buys@0f3a, split train, 2024-05-01 to 2024-05-05, 40 rows

  ● spent has moved.  since 2024-05-05

  performance  auc 0.6500 (between 0.6000 and 0.7000), 0.7500 on test; 20 of 30 labels are known

    column    PSI   mean before      now   missing before      now   PSI by day
  ✗ spent    1.50        1.5000   2.5000            0.0 %   10.0 %   ▁▁▁▁│███
    items    0.01        1.5000   2.5000            0.0 %   10.0 %   ████│▁▁▁

  where it comes from
  spent ← raw.orders.amount   PSI 1.25, since 2024-05-05
  what has moved the predictions: spent 75.0 %, items 25.0 %

    slice           rows before   now      auc
    channel = web            20    15   0.6600

  note: The period is short.
"""


def test_the_choices_are_passed_on(typing, project):
    project.answers["monitor"] = FOUND

    typing(
        "monitor", "buyer", "--since", "2024-05-05", "--until", "2024-05-08", "--against", "previous",
        "--by", "channel shop", "--window", "week", "--current", "log", "--no-keep",
    )  # fmt: skip

    assert project.calls["monitor"] == (
        ("buyer",),
        {
            "since": day(5), "until": day(8), "against": "previous", "by": ("channel", "shop"), "window": "week",
            "current": "log", "remember": False,
        },
    )  # fmt: skip


def test_a_look_says_what_broke_and_why(typing, project):
    project.answers["monitor"] = FOUND

    outcome = typing("monitor", "buyer")

    assert (outcome.out, outcome.code) == (TEXT, 1)


def test_json_has_all_of_it(typing, project):
    project.answers["monitor"] = FOUND

    outcome = typing("monitor", "buyer", "--json")

    told = json.loads(outcome.out)
    assert (told["level"], told["columns"][0]["causes"][0]["node"], outcome.code) == ("breach", "raw.orders", 1)


def test_what_is_as_it_was_ends_well(typing, project):
    from dataclasses import replace

    project.answers["monitor"] = replace(FOUND, level=OK)

    assert typing("monitor", "buyer").code == 0


LOOKS = [
    Remembered(day(1 + number), "buyer@v1", day(1), day(1) + timedelta(hours=12), "baseline", 30, level, "", "auc",
               0.75, "spent", psi)
    for number, (level, psi) in enumerate([(OK, 0.1), (BREACH, 0.8)])
]  # fmt: skip
PAST = """\
  checked            period                           level    rows    PSI   most moved   performance
  2024-05-01 00:00   2024-05-01 to 2024-05-01 12:00   ok         30   0.10   spent        auc 0.7500
  2024-05-02 00:00   2024-05-01 to 2024-05-01 12:00   breach     30   0.80   spent        auc 0.7500

  the greatest PSI, look by look
    0.80 ┤ █
         ┤ █
         ┤ █
         ┤ █
         ┤ █
         ┤ █
         ┤ █
         ┤██
    0.00 └──
"""


def test_the_history_is_a_table_and_a_plot(typing, project):
    project.answers["monitor_history"] = LOOKS

    outcome = typing("monitor", "buyer", "--history")

    assert (outcome.out, outcome.code, "monitor" in project.calls) == (PAST, 0, False)


def test_the_history_is_there_as_json(typing, project):
    project.answers["monitor_history"] = LOOKS

    told = json.loads(typing("monitor", "buyer", "--history", "--json").out)

    assert [one["level"] for one in told["history"]] == ["ok", "breach"]


def test_without_a_history_it_says_what_makes_one(typing, project):
    project.answers["monitor_history"] = []

    assert typing("monitor", "buyer", "--history").out == "buyer has not been looked at: sqlfeat monitor buyer\n"


@pytest.mark.parametrize("word", ["minute", "Day"])
def test_another_window_is_refused(typing, project, word):
    assert typing("monitor", "buyer", "--window", word).code == 2
