"""The report for a pull request: the verdict, tables, the rest folded away; short, and without effect on anybody."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sqlfeat.ops.monitoring.results import BREACH
from tests.made.monitorings import category, monitoring, nothing, numeric, quiet_view


def test_the_verdict_and_the_findings_come_before_what_is_folded_away():
    text = monitoring().markdown()

    assert text.startswith("## ❌ `late_lgbm@v3`: breach\n\nlate\\_lgbm@v3 is not as it was: 2 of 14 columns")
    assert (
        "| ❌ | `origin_temp` | origin\\_temp is distributed otherwise: the mean went from 35.37 to 10.22 (PSI 1.47). "
        "| 2024-02-28 |"
    ) in text
    assert text.index("| `sched_minutes` |") < text.index("<details>")
    assert text.count("<details>") == text.count("</details>") == 5


def test_all_tables_have_as_many_cells_in_every_row():
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", monitoring([numeric("a|b`c", BREACH)]).markdown(), re.M)

    assert len(blocks) == 6
    for block in blocks:
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_what_is_quiet_or_empty_is_said():
    assert "Nothing is past its threshold." in quiet_view().markdown()
    assert "There is no row in this period." in nothing().markdown()


def test_a_hundred_features_with_long_names_fit_a_comment():
    columns = [category("é" * 150 + str(place), BREACH) for place in range(300)]
    text = monitoring(columns).markdown()

    assert len(text.encode()) < 60_000
    assert "more" in text


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("@octocat", "@octocat"),
        ("see @org/team", "@org"),
        ("fixes #12", "#12"),
        ("http://example.org", "://example"),
        ("[x](javascript:alert(1))", "[x]("),
        ("<img src=x>", " <img"),
        ("</details>", "</details>\n\n<summary"),
        ("www.example.org", "www.example"),
    ],
)
def test_a_text_mentions_nobody_and_makes_no_markup(text, there):
    harmless = monitoring()
    findings = tuple(replace(one, text=text) for one in harmless.findings)

    told = replace(harmless, sentence=text, notes=(text,), findings=findings).markdown()

    assert there not in told
    assert not re.search(r"(?<!\\)<(?!!-- -->|/?details>|/?summary>|0\.1)", told)
    assert told.count("</details>") == 5


def test_the_same_result_gives_the_same_text():
    assert monitoring().markdown() == monitoring().markdown()
