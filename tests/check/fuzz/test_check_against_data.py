"""``check`` against data: whatever it calls safe is not refuted, and a checker that is broken is found out.

A failure prints the program, cut down, with its seed and the data that refute it. What was found so far is in
``found/``; longer campaigns are ``make fuzz-check``.
"""

from __future__ import annotations

import pytest

from tests.check.fuzz.campaign import Campaign
from tests.check.fuzz.checking import static_check, verdicts_of
from tests.check.fuzz.found import read_cases
from tests.check.fuzz.project import Catalog, compiled

PARTS = {name: range(first, first + 255) for name, first in zip("abcdefgh", range(1, 80_000, 10_000), strict=True)}
LIES = {
    "late rows are known at their event time": {"late": {"available_at": None}},
    "a delay is none": {"delayed": {"available_after": None}},
}


@pytest.fixture
def campaign():
    made = []

    def campaign(lies=None, **how):
        made.append(static_check(lies))
        return Campaign(made[-1], datasets=64, **how)

    yield campaign
    for checker in made:
        checker.close()


@pytest.mark.parametrize("part", PARTS)
def test_what_check_calls_safe_is_never_refuted_by_data(part, campaign):
    report = campaign().run(PARTS[part])

    assert not report.missed, "\n\n".join(missed.told() for missed in report.missed)
    assert not report.failed, report.told()
    assert not report.unexplained, report.told()
    assert report.all_safe >= report.programs / 4
    assert report.confirmed["unsafe"] > 50


@pytest.mark.parametrize("lie", LIES)
def test_a_checker_that_believes_a_lie_is_refuted_soon(lie, campaign):
    report = campaign(LIES[lie]).run(range(1, 800), stop_at=1, shrink=False)

    assert report.missed


@pytest.fixture(scope="module")
def verdicts():
    catalog = Catalog()
    texts = {name: text for case in read_cases().values() for name, text in case.models.items()}
    yield verdicts_of(compiled(texts, catalog))
    catalog.close()


@pytest.mark.parametrize("name", read_cases())
def test_what_data_once_refuted_is_not_called_safe(name, verdicts):
    case = read_cases()[name]

    for column in case.columns:
        said = verdicts[case.last][column].verdict
        assert said in (("unsafe", "unproven") if case.verdict == "unsafe" else (case.verdict,)), f"{name}: {case.why}"
