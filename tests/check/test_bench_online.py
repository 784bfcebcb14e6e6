"""The page of the online benchmark: written by whole runs alone, beside remarks that no run touches."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from benchmarks.online import is_whole
from benchmarks.online_report import REMARKS, Measured, keep, report

MACHINE = {"cores": 2, "processor": "p", "python": "3.11", "versions": {"sqlfeat": "1"}, "load": 0.1}
FIGURES = {"cpu_1": 4.0, "p50_1": 1.0, "p99_1": 2.0, "cpu_100": 5.0, "p99_100": 6.0}
MEASURED = Measured(
    MACHINE,
    entities=10,
    repetitions=1,
    embedded=[{"raw LMDB gets": FIGURES}],
    added=[{"features": 20.0, "features_then_call": 70.0, "predict": 72.0, "call": 30.0,
            "added_to_call_there": 1.04, "added_to_call_alone": 1.73}],
    http=[{"naive FastAPI, Redis": {**FIGURES, "cpu_1": 20.0}, "sqlfeat serve, Redis, features": FIGURES}],
    overload={},
)  # fmt: skip


def test_a_run_that_leaves_something_out_is_not_whole() -> None:
    whole = {"only": "", "no_http": False, "no_feast": False}

    assert is_whole(Namespace(**whole))
    for part in ({"only": "sqlfeat"}, {"no_http": True}, {"no_feast": True}):
        assert not is_whole(Namespace(**{**whole, **part}))


def test_the_page_has_every_table_and_leads_to_the_remarks_which_stay_as_they_are(tmp_path: Path) -> None:
    remarks = tmp_path / REMARKS
    remarks.write_text("By hand.\n")
    keep(tmp_path, MEASURED)
    page = (tmp_path / "online.md").read_text()

    assert remarks.read_text() == "By hand.\n"
    assert page == report(MEASURED)
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# Online, measured",
        "## In a process",
        "### What a prediction adds",
        "## Over HTTP, one entity a request, one connection",
    ]
    assert f"[{REMARKS}]({REMARKS})" in page
    assert "**on the same store**: Redis, features 0.20." in page
    assert "(c − a) / (b − a) is 1.04, (c − a) / d is 1.73. The first is at most 1.3, the second is not." in page
