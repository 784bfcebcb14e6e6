"""``sqlfeat verify``: what it passes on, how verdicts and differences read, and that Ctrl-C leaves nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from sqlfeat.engine.comparison import SourceView
from sqlfeat.errors import Place
from sqlfeat.ops.verification import CutoffView, Difference, ModelVerdict, SampleView, Verification
from tests.made.payments import bank

AT, LATER = datetime(2024, 1, 3, tzinfo=UTC), datetime(2024, 1, 5, tzinfo=UTC)
LINE = "    avg(amount) over (partition by customer) as mean"
LEAK = Difference(
    check="cutoff",
    kind="value",
    column="mean",
    rows=812,
    compared=1204,
    row={"paid_at": datetime(2024, 1, 1, tzinfo=UTC), "customer": "ann"},
    full=17.5,
    known=12.0,
    at=AT,
    place=Place("models/spending.sql", 7, 5, LINE, len(LINE.strip())),
    lineage=("stg_payments", "raw.payments"),
)
SAME = ModelVerdict("stg_payments", "same", rows=2400)
LEAKY = ModelVerdict("spending", "differs", rows=2400, differences=(LEAK,), approximate=True)
UNDATED = ModelVerdict("counted", "not compared", "it has no event_time")


def verification(*models, **facts):
    cutoffs = tuple(CutoffView(at, (SourceView("source.raw.payments", 12, 7),)) for at in (AT, LATER))
    return Verification(cutoffs, models, seconds=9.04, full_seconds=2.0, **facts)


def test_without_options_three_quantiles_are_cut_at_and_everything_is_computed_again(typing, project):
    project.answers["verify"] = verification(SAME)

    assert typing("verify").code == 0
    assert project.calls["verify"] == (
        ((), ()),
        {"at": (), "cutoffs": 3, "sample": None, "rebuild": True},
    )


def test_options_are_passed_on(typing, project):
    project.answers["verify"] = verification(SAME)

    typing(
        *("verify", "-s", "+spending", "asked", "--exclude", "tag:slow"),
        *("--at", "2024-01-03", "--at", "2024-01-05T00:00Z", "--cutoffs", "0", "--sample", "10%", "--no-rebuild"),
    )

    assert project.calls["verify"] == (
        (("+spending", "asked"), ("tag:slow",)),
        {"at": (AT, LATER), "cutoffs": 0, "sample": 0.1, "rebuild": False},
    )


@pytest.mark.parametrize(("text", "size"), [("500", 500.0), ("0.25", 0.25), ("5%", 0.05)])
def test_a_sample_is_a_number_or_a_share(typing, project, text, size):
    project.answers["verify"] = verification(SAME)
    typing("verify", "--sample", text)

    assert project.calls["verify"][1]["sample"] == size


def test_a_sample_that_is_neither_is_refused(typing, project):
    shown = typing("verify", "--sample", "some")

    assert shown.code == 2
    assert "[bad-argument] --sample: 'some' is no sample; write 500, 0.1 or 10%." in shown.err


def test_every_model_has_a_line_with_its_verdict(typing, project):
    project.answers["verify"] = verification(SAME, UNDATED)
    shown = typing("verify")

    assert shown.out.splitlines()[:3] == [
        "  model          verdict        rows compared",
        "  stg_payments   same                   2,400",
        "  counted        not compared                   it has no event_time",
    ]
    assert shown.out.splitlines()[-1] == (
        "1 same, 0 differ, 1 not compared at 2 cutoffs in 9.0 s, 4.5 × one full computation"
    )


def test_a_difference_is_shown_with_its_line_its_row_and_both_values(typing, project):
    project.answers["verify"] = verification(SAME, LEAKY)
    shown = typing("verify")

    assert shown.code == 1
    begin = shown.out.index("spending differs\n")
    assert shown.out[begin:].splitlines()[:8] == [
        "spending differs",
        "models/spending.sql:7:5: [cutoff] mean changes once later rows are known, in 812 of 1,204 rows usable by "
        "2024-01-03 00:00:00Z.",
        f"  7 | {LINE}",
        f"    |     {'^' * len(LINE.strip())}",
        "  first row                       paid_at 2024-01-01 00:00:00Z, customer ann",
        "  from all rows                   17.5",
        "  known at 2024-01-03 00:00:00Z   12.0",
        "  made from                       stg_payments, raw.payments",
    ]


def test_the_same_leak_at_a_later_cutoff_is_counted(typing, project):
    later = Difference(**{**vars(LEAK), "at": LATER})
    project.answers["verify"] = verification(ModelVerdict("spending", "differs", rows=9, differences=(LEAK, later)))

    assert "usable by 2024-01-03 00:00:00Z. Also at 1 later cutoff." in typing("verify").out


def test_a_model_that_follows_another_takes_a_line(typing, project):
    follower = ModelVerdict("returning", "differs", rows=9, differences=(LEAK,), blamed=("spending",))
    project.answers["verify"] = verification(LEAKY, follower)

    assert "returning differs too, below spending, to be mended first: mean\n" in typing("verify").out


def test_rows_that_come_later_are_told(typing, project):
    added = Difference(**{**vars(LEAK), "column": None, "kind": "added", "rows": 3, "full": None, "known": None})
    project.answers["verify"] = verification(ModelVerdict("spending", "differs", rows=9, differences=(added,)))
    shown = typing("verify").out

    assert "[cutoff] 3 rows of before 2024-01-03 00:00:00Z came later: not known then, though usable by then." in shown
    assert "from all rows" not in shown


def test_where_not_all_rows_were_looked_at_there_are_at_least_so_many(typing, project):
    some = Difference(**{**vars(LEAK), "at_least": True})
    project.answers["verify"] = verification(ModelVerdict("spending", "differs", rows=9, differences=(some,)))

    assert "in at least 812 of 1,204 rows usable by" in typing("verify").out


def test_what_is_allowed_is_shown_with_its_reason_and_fails_nothing(typing, project):
    allowed = Difference(**{**vars(LEAK), "allowed": "for a study"})
    project.answers["verify"] = verification(ModelVerdict("spending", "differs", rows=9, differences=(allowed,)))
    shown = typing("verify")

    assert shown.code == 0
    assert "  spending   differs, allowed               9\n" in shown.out
    assert "  allowed                         for a study" in shown.out


@pytest.mark.parametrize(
    ("check", "kind", "sentence"),
    [
        ("order", "value", "mean changes with the order of the source rows, in 812 of 1,204 rows."),
        ("rebuild", "value", "mean changes each time it is computed, in 812 of 1,204 rows."),
        ("cutoff", "input", "mean was not known when it was asked for, in 812 of 1,204 rows asked for by "),
    ],
)
def test_each_check_has_its_sentence(typing, project, check, kind, sentence):
    found = Difference(**{**vars(LEAK), "check": check, "kind": kind})
    project.answers["verify"] = verification(ModelVerdict("spending", "differs", rows=9, differences=(found,)))

    assert sentence in typing("verify").out


def test_notes_tell_what_was_sampled_and_what_was_compared_nearly(typing, project):
    sample = SampleView("customer", ("customer",), ("raw.payments",), ("raw.rates",))
    project.answers["verify"] = verification(LEAKY, notes=("At noon nothing was known yet.",), sample=sample)
    shown = typing("verify").out

    assert (
        "Note: A sample of customer (customer) was taken from raw.payments; whole are raw.rates, and all that has "
        "no time.\n"
    ) in shown
    assert "Note: Floats of spending count as equal within 1e-09 of their value" in shown
    assert "Note: At noon nothing was known yet.\n" in shown


def test_json_is_the_whole_document(typing, project):
    project.answers["verify"] = verification(SAME, LEAKY)
    shown = typing("verify", "--json")

    assert shown.code == 1
    assert [model["verdict"] for model in shown.document["models"]] == ["same", "differs"]
    assert shown.document["cutoffs"][0]["at"] == "2024-01-03T00:00:00Z"
    assert shown.document["cost"] == {"seconds": 9.04, "full_seconds": 2.0, "times": 4.52}


def test_ctrl_c_ends_a_verification_and_leaves_nothing(tmp_path):
    endless = """
        {{ config(materialized='table', event_time='paid_at') }}
        select paid_at, count(*) as n
        from {{ source('raw', 'payments') }}, range(100000000) as a(x), range(100000000) as b(y)
        where (a.x * b.y) % 7 = 3 group by all"""
    bank(tmp_path, {"endless": endless})
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfeat.cli.main", "verify"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "target").glob("verify/full/bank.duckdb")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 130
    assert told.splitlines()[-1] == "[interrupted] Interrupted; what was under way is rolled back."
    assert list((tmp_path / "target").iterdir()) == []
