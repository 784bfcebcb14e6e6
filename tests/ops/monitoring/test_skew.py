"""What was served beside what the tables say, as monitoring has it."""

from __future__ import annotations

from sqlfeat.ops.monitoring.skew import skew_of
from tests.made.projects import PROJECT_FILE, day, orders
from tests.made.serving import ANN, served_shop

LOGGING = PROJECT_FILE + "    serve: {log: log}\n"


def served(root):
    """A shop that has answered a request, and has it in its log."""
    opened = served_shop(root / "shop")
    opened.change({"sqlfeat_project.yml": LOGGING})
    with opened.project() as project, project.serve_session(log=opened.root / "log") as serving:
        serving.features("buys", [ANN], at=day(4, 12))
    return opened


def skew(opened, *subjects):
    with opened.project() as project:
        return skew_of(project._session, subjects, day(1))


def test_what_was_served_as_it_is_has_no_skew(tmp_path):
    found = skew(served(tmp_path), "buys")

    assert (found.value, found.level, found.text) == (0.0, "ok", "")


def test_a_past_that_was_changed_is_skew(tmp_path):
    opened = served(tmp_path)
    opened.change({"data/orders.parquet": orders(11, 21, 31, 41)})

    found = skew(opened, "buys")

    assert (found.level, found.value > 0) == ("breach", True)
    assert found.text.endswith("values that were served are not what the tables say (sqlfeat verify --online).")


def test_of_something_else_nothing_is_said(tmp_path):
    assert skew(served(tmp_path), "buyer@v1") is None


def test_without_a_log_nothing_is_said(tmp_path):
    assert skew(served_shop(tmp_path / "shop"), "buys") is None
