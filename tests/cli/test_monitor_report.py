"""`monitor --report`: where the report goes, in which form, and what is refused before anything is looked at."""

from __future__ import annotations

import pytest

from tests.made.monitorings import monitoring, quiet_view


def test_reports_are_written_beside_what_is_printed(typing, project, tmp_path):
    project.answers["monitor"] = quiet_view()
    page, comment = tmp_path / "of" / "today.html", tmp_path / "today.md"

    typed = typing("monitor", "airport_weather", "--report", str(page), "--report", str(comment))

    assert typed.code == 0
    assert typed.out.startswith("airport_weather is as it was")
    assert typed.err.count("written: ") == 2
    assert page.read_text() == quiet_view().html()
    assert comment.read_text() == quiet_view().markdown()


def test_a_breach_is_written_too_and_json_stays_alone(typing, project, tmp_path):
    project.answers["monitor"] = monitoring()

    typed = typing("monitor", "late_lgbm", "--report", str(tmp_path / "a.html"), "--json")

    assert typed.code == 1
    assert typed.err == ""
    assert typed.out.startswith("{")
    assert (tmp_path / "a.html").is_file()


@pytest.mark.parametrize(
    ("words", "code"), [(("--report", "a.pdf"), "bad-out"), (("--history", "--report", "a.html"), "bad-usage")]
)
def test_what_cannot_be_written_is_refused_at_once(typing, project, words, code):
    typed = typing("monitor", "late_lgbm", *words)

    assert typed.code == 2
    assert typed.err.startswith(f"[{code}]")
    assert project.calls == {}
