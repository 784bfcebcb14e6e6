"""What was served, computed again offline: each cause of a difference, in a history made for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import SqlfeatError
from sqlfeat.ops.online.verify_log import LogVerification
from sqlfeat.store.serving_log import log_files
from tests.made.projects import NOW, Opened, day, shop
from tests.made.serving import ANN, SERVED, publish, served_shop

AT = day(4, 12)
Order = tuple[str, int, datetime]
BASE: tuple[Order, ...] = (
    ("ann", 10, day(1)),
    ("bob", 20, day(2)),
    ("ann", 30, day(3)),
    ("bob", 40, day(4)),
)


def table(orders: Sequence[Order]) -> pa.Table:
    rows = sorted(orders, key=lambda order: order[2])
    return pa.table(
        {
            "order_id": pa.array(range(len(rows)), pa.int64()),
            "customer": pa.array([row[0] for row in rows]),
            "product": pa.array(["tea"] * len(rows)),
            "amount": pa.array([row[1] for row in rows], pa.int64()),
            "ordered_at": pa.array([row[2] for row in rows], pa.timestamp("us", "UTC")),
        }
    )


def history(opened: Opened, *orders: Order) -> None:
    """What the source holds from now on."""
    opened.change({"data/orders.parquet": table(orders)})


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return served_shop(tmp_path / "shop")


def serve(opened: Opened, *rows: Mapping[str, Any], at: datetime = AT, model: str | None = None) -> None:
    """Answer some requests, and log them."""
    with opened.project() as project, project.serve_session(log=opened.root / "log") as serving:
        for row in rows or (ANN,):
            if model is not None:
                serving.predict(model, [row], at=at)
            else:
                serving.features("buys", [row], at=at)


def verify(opened: Opened, **how: Any) -> LogVerification:
    with opened.project() as project:
        return project.verify_log(opened.root / "log", **how)


def causes(found: LogVerification) -> dict[str, str]:
    return {one.column: one.cause for one in found.differences}


def why(found: LogVerification, column: str) -> str:
    return next(one.why for one in found.differences if one.column == column)


def test_what_nothing_has_changed_is_the_same(opened: Opened) -> None:
    rows = [
        ANN,
        {"customer": "bob", "channel": None},
        {"customer": "nobody", "channel": "x"},
        {**ANN, "customer": None},
    ]
    serve(opened, *rows)
    serve(opened, *rows, at=day(9), model="buyer")
    found = verify(opened)

    assert [(one.subject, one.rows, one.cells, one.differing) for one in found.verdicts] == [
        ("buyer@v1", 4, 16, 0),
        ("buys", 4, 12, 0),
    ]
    assert found.unexplained == 0


def test_what_happened_after_the_snapshot_was_not_yet_published(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE, ("ann", 50, day(4, 6)), ("ann", 99, day(4, 13)))
    found = verify(opened)

    assert causes(found) == {"amount": "not yet published", "spent_3d": "not yet published"}
    assert why(found, "amount") == (
        "a row of spent of 2024-01-04T06:00:00+00:00, was known 6 h before the request; "
        "the snapshot was as of 2024-01-04T00:00:00+00:00, 12 h before it"
    )
    assert (found.differences[0].served, found.differences[0].offline) == ("30", "50")
    assert found.unexplained == 0


def test_of_several_rows_after_the_snapshot_the_newest_is_named_and_the_others_counted(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE, ("ann", 50, day(4, 6)), ("ann", 51, day(4, 7)))
    found = verify(opened)

    assert causes(found) == {"amount": "not yet published", "spent_3d": "not yet published"}
    assert "2024-01-04T07:00:00+00:00, and 1 more" in why(found, "spent_3d")


def test_what_came_after_the_snapshot_though_it_happened_before_is_late(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE, ("ann", 7, day(3, 12)))
    found = verify(opened)

    assert causes(found) == {"amount": "late data", "spent_3d": "late data"}
    assert "a row of spent of 2024-01-03T12:00:00+00:00, came after the snapshot" in why(found, "spent_3d")


def test_a_late_row_that_only_a_window_sees_is_found_among_the_others(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE, ("ann", 7, day(2, 3)))
    found = verify(opened)

    assert causes(found) == {"spent_3d": "late data"}
    assert "2024-01-02T03:00:00" in why(found, "spent_3d")


def test_what_was_pushed_after_the_answer_is_said_to_be_pushed_since(opened: Opened) -> None:
    serve(opened)
    with Project.load(opened.root, clock=FixedClock(NOW + timedelta(minutes=3))) as project:
        pushed = {"order_id": 7, "customer": "ann", "product": "tea", "amount": 50}
        project.push("raw.orders", [{**pushed, "ordered_at": day(4, 6)}, {**pushed, "ordered_at": day(4, 13)}])
    found = verify(opened)

    assert causes(found) == {"amount": "pushed since", "spent_3d": "pushed since"}
    assert why(found, "amount") == "a row of spent of 2024-01-04T06:00:00+00:00, was pushed 3 min after the answer"
    assert found.unexplained == 0


def test_late_rows_may_be_several_and_others_unpublished(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE, ("ann", 7, day(2, 3)), ("ann", 8, day(2, 4)), ("ann", 50, day(4, 6)))
    found = verify(opened)

    assert causes(found) == {"amount": "not yet published", "spent_3d": "late data"}
    assert "2024-01-02T04:00:00+00:00, and 1 more" in why(found, "spent_3d")


def test_a_row_that_says_when_it_was_available_changes_nothing(tmp_path: Path) -> None:
    sources = SERVED["models/sources.yml"].replace(
        "{name: orders, config: {event_time: ordered_at}}",
        "{name: orders, config: {event_time: ordered_at, available_at: landed_at}}",
    )
    spent = SERVED["models/spent.sql"].replace("ordered_at, amount,", "ordered_at, landed_at, amount,")
    spent = spent.replace("online=true", "online=true, available_at='landed_at'")

    def with_landing(orders: Sequence[Order], late: Mapping[datetime, datetime]) -> pa.Table:
        made = table(orders)
        times = [late.get(time, time) for time in made["ordered_at"].to_pylist()]
        return made.append_column("landed_at", pa.array(times, pa.timestamp("us", "UTC")))

    files = {**SERVED, "models/sources.yml": sources, "models/spent.sql": spent, "data/asked.parquet": asked_rows()}
    opened = Opened(shop(tmp_path / "shop", {**files, "data/orders.parquet": with_landing(BASE, {})}))
    publish(opened)
    serve(opened)
    late = ("ann", 7, day(3, 12))
    opened.change({"data/orders.parquet": with_landing([*BASE, late], {late[2]: AT + timedelta(microseconds=1)})})

    assert verify(opened).differences == ()
    opened.change({"data/orders.parquet": with_landing([*BASE, late], {late[2]: AT})})
    found = verify(opened)
    assert causes(found) == {"amount": "not yet published", "spent_3d": "not yet published"}
    assert "(available at 2024-01-04T12:00:00+00:00)" in why(found, "amount")


def asked_rows() -> pa.Table:
    from tests.made.scoring import asked

    return asked(*range(3))


def test_another_ttl_is_told_of(opened: Opened) -> None:
    serve(opened)
    spent = (opened.root / "models" / "spent.sql").read_text()
    opened.change({"models/spent.sql": spent.replace("36 hours", "12 hours")})
    found = verify(opened)

    assert causes(found) == {"amount": "ttl"}
    assert why(found, "amount") == "the ttl of spent was 36 hours, and is 12 hours"


def test_another_definition_of_a_feature_is_told_of(opened: Opened) -> None:
    serve(opened)
    spent = (opened.root / "models" / "spent.sql").read_text()
    opened.change({"models/spent.sql": spent.replace("ordered_at, amount,", "ordered_at, amount + 1 as amount,")})
    found = verify(opened)

    assert causes(found)["amount"] == "other definition"
    assert "spent.amount" in why(found, "amount")
    assert found.unexplained == 0


def test_another_expression_of_the_training_set_is_told_of(opened: Opened) -> None:
    serve(opened)
    buys = (opened.root / "models" / "buys.sql").read_text()
    opened.change({"models/buys.sql": buys.replace("a.channel,", "upper(a.channel) as channel,")})
    found = verify(opened)

    assert causes(found) == {"channel": "other definition"}
    assert why(found, "channel") == "it was a.channel, and is upper(a.channel)"


def test_a_row_that_was_taken_away_is_told_of(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE[:2], BASE[3])
    found = verify(opened)

    assert causes(found) == {"amount": "row removed", "spent_3d": "row removed"}
    assert "2024-01-03T00:00:00" in why(found, "amount")


def test_a_row_that_was_changed_in_place_is_a_mismatch(opened: Opened) -> None:
    serve(opened)
    history(opened, *BASE[:2], ("ann", 31, day(3)), BASE[3])
    found = verify(opened)

    assert causes(found) == {"amount": "mismatch", "spent_3d": "mismatch"}
    assert found.unexplained == 2


def test_a_prediction_that_the_version_does_not_make_is_a_mismatch(opened: Opened) -> None:
    serve(opened, model="buyer")
    (file,) = log_files(opened.root / "log")
    rows = file.read()
    place = rows.column_names.index("prediction")
    pq.write_table(rows.set_column(place, "prediction", pa.array([0.25])), file.path)
    found = verify(opened)

    assert causes(found) == {"prediction": "mismatch"}
    assert found.unexplained == 1


def test_rows_of_views_are_verified_too(opened: Opened) -> None:
    with opened.project() as project, project.serve_session(log=opened.root / "log") as serving:
        serving.look_up([("spent", "amount")], {"customer": ["ann", "bob", None]}, at=AT)
    assert verify(opened).differences == ()
    history(opened, *BASE, ("ann", 7, day(3, 12)))
    found = verify(opened)

    assert [(one.subject, one.cells, dict(one.causes)) for one in found.verdicts] == [("spent", 3, {"late data": 1})]
    assert found.differences[0].keys == {"customer": "ann"}


def test_what_is_not_there_any_more_is_not_compared_and_said_so(opened: Opened) -> None:
    serve(opened)
    (opened.root / "models" / "buys.sql").rename(opened.root / "models" / "bought.sql")
    (verdict,) = verify(opened).verdicts

    assert (verdict.cells, verdict.not_compared, verdict.unexplained) == (0, 1, 0)
    assert "buys" in verdict.reason


def test_a_part_of_a_log_can_be_verified(opened: Opened) -> None:
    with opened.project() as project, project.serve_session(log=opened.root / "log") as serving:
        for number in range(60):
            serving.features("buys", [ANN], at=AT, request_id=str(number))

    assert verify(opened, sample=0.5).verdicts[0].rows in range(15, 46)
    assert verify(opened, sample=10).verdicts[0].rows in range(2, 25)
    assert verify(opened, sample=500).verdicts[0].rows == 60
    assert verify(opened, since=day(1)).verdicts[0].rows == 60
    assert verify(opened, since=datetime.fromisoformat("2030-01-01T00:00:00+00:00")).verdicts == ()


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A shop that has answered one request."""
    opened = Opened(shop(tmp_path_factory.mktemp("any") / "shop", {**SERVED, "data/asked.parquet": asked_rows()}))
    publish(opened)
    serve(opened)
    return opened


@settings(max_examples=10, deadline=None)
@given(
    unpublished=st.lists(st.tuples(st.integers(1, 99), st.integers(1, 11)), max_size=3),
    late=st.none() | st.tuples(st.integers(1, 99), st.integers(1, 23)),
)
def test_whatever_comes_later_is_explained(
    answered: Opened, unpublished: list[tuple[int, int]], late: tuple[int, int] | None
) -> None:
    new = [
        ("ann", amount, day(4, hour) + timedelta(seconds=number)) for number, (amount, hour) in enumerate(unpublished)
    ]
    old = [("ann", late[0], day(3, late[1]) + timedelta(seconds=30))] if late else []
    history(answered, *BASE, *new, *old)
    found = verify(answered)

    assert found.unexplained == 0
    assert ("spent_3d" in causes(found)) == bool(new or old)
    if new and not late:
        assert set(causes(found).values()) == {"not yet published"}


# -- as it is typed ----------------------------------------------------------------------------------------------------


def test_the_command_says_what_differs_and_why(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlfeat.cli.main import main

    serve(opened)
    options = ["--project-dir", str(opened.root), "verify", "--online", "--log", str(opened.root / "log")]
    assert main(options) == 0
    assert "3 cells are the same offline" in capsys.readouterr().out
    history(opened, *BASE, ("ann", 7, day(3, 12)))
    assert main(options) == 0
    told = capsys.readouterr().out
    assert "late data" in told
    assert "served" in told
    history(opened, *BASE[:2], ("ann", 31, day(3)), BASE[3])
    assert main([*options, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["differing"], document["unexplained"]) == (2, 2)


def test_without_a_log_the_command_says_how_to_have_one(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlfeat.cli.main import main

    assert main(["--project-dir", str(opened.root), "verify", "--online"]) == 2
    assert "[no-serving-log]" in capsys.readouterr().err
    assert main(["--project-dir", str(opened.root), "verify", "--since", "2024-01-01"]) == 2
    assert "--online" in capsys.readouterr().err


def test_the_projects_own_log_is_verified_by_default(opened: Opened) -> None:
    project_file = (opened.root / "sqlfeat_project.yml").read_text()
    opened.change({"sqlfeat_project.yml": project_file + "serve: {log: {path: log, sample: 0.5, flush: 10s}}\n"})
    serve(opened)
    with opened.project() as project:
        said = project.spec.serving_log
        assert project.verify_log().verdicts[0].rows == 1

    assert said is not None
    assert (said.path, said.sample, said.flush) == (opened.root / "log", 0.5, timedelta(seconds=10))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{log: {path: x, sample: 2}}", "bad-value"),
        ("{log: {sample: 1}}", "missing-key"),
        ("{logs: x}", "unknown-key"),
        ("{log: {path: x, token: y}}", "unknown-key"),
    ],
)
def test_a_log_that_is_written_wrongly_is_told_of(opened: Opened, said: str, code: str) -> None:
    project_file = (opened.root / "sqlfeat_project.yml").read_text()
    opened.change({"sqlfeat_project.yml": project_file + f"serve: {said}\n"})
    with pytest.raises(SqlfeatError) as caught:
        opened.project()

    assert caught.value.code == code
