"""Training sets that are kept: listed, compared, and dropped when nobody needs them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import UsageError
from sqlfeat.store.registry import VERSION, register
from tests.made.projects import NOW, Opened, day, orders, write
from tests.ops.test_training_set import BY_TIME, ROWS, SPENT, WANTED, asked, project
from tests.store.registering import fill


def built(opened: Opened, minutes: int = 0, **settings):
    """A set that is built so long after the others."""
    with Project.load(opened.root, clock=FixedClock(NOW + timedelta(minutes=minutes))) as loaded:
        return loaded.build_training_set("wanted", **settings)


def difference(opened: Opened, old: str, new: str | None = None):
    with opened.project() as loaded:
        return loaded.diff_training_sets(old, new)


def reasons(found) -> list[tuple[str, str]]:
    return [(reason.kind, reason.about) for reason in found.reasons]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return project(tmp_path, split=BY_TIME)


# -- what differs, and why ---------------------------------------------------------------------------------------------


def test_a_set_does_not_differ_from_itself(opened):
    id_ = built(opened).id
    found = difference(opened, id_, id_)

    assert found.same
    assert found.reasons == ()


def test_another_window_is_the_code_of_its_view_and_shows_in_its_cells(opened):
    built(opened)
    opened.change({"models/spent.sql": SPENT.replace("3 days", "1 day")})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert [(cell.column, cell.rows) for cell in found.cells] == [("spent_3d", 4)]
    example = found.cells[0].examples[0]
    assert (example.keys, example.old, example.new) == ({"asked_at": day(3), "asked_id": 2}, 40, 30)
    assert reasons(found) == [("code", "spent"), ("code", "features")]
    assert "`{{" not in found.reasons[0].text
    assert found.reasons[0].text.startswith("the SQL of spent changed: `select customer")
    assert found.reasons[1].text == "the definition of spent.spent_3d changed by that."


def test_another_config_is_said_with_both_values(opened):
    built(opened)
    opened.change({"models/spent.sql": SPENT.replace("'ordered_at')", "'ordered_at', ttl='1 hour')")})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert ("the config ttl of spent is 1 hour, and was not given.") in [reason.text for reason in found.reasons]
    assert [(cell.column, cell.became_null) for cell in found.cells] == [("last_product", 2)]


def test_rows_that_are_new_and_gone_are_named_by_their_keys_and_blamed_on_their_source(opened):
    built(opened)
    rows = pa.concat_tables([ROWS.slice(1), asked((9, "ann", day(7), "web", True))])
    opened.change({"data/asked.parquet": rows})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert (found.in_both, found.added.rows, found.gone.rows) == (6, 1, 1)
    assert found.added.examples == ({"asked_at": day(7), "asked_id": 9},)
    assert found.gone.examples == ({"asked_at": day(5), "asked_id": 4},)
    assert reasons(found) == [("data", "raw.asked")]
    assert "its last event was 2024-01-06, and is 2024-01-07" in found.reasons[0].text


def test_values_that_changed_for_old_questions_are_late_rows(opened):
    built(opened)
    more = pa.concat_tables([orders(), orders().slice(0, 1)])
    opened.change({"data/orders.parquet": more})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert reasons(found) == [("data", "raw.orders"), ("late rows", "raw.orders")]
    assert found.reasons[1].text.startswith("3 rows that were asked for by 2024-01-04")
    assert "spent_3d" in [cell.column for cell in found.cells]


def test_what_was_asked_for_is_a_reason(opened):
    built(opened)
    built(opened, 1, start=day(3), sample=0.9, features=["spent.spent_3d"])

    found = difference(opened, "wanted")
    assert reasons(found) == [("asked for", "--from"), ("asked for", "--sample"), ("asked for", "--features")]
    assert found.reasons[0].text == "--from is 2024-01-03, and was not given."
    assert found.gone_columns == ("channel", "last_product")
    assert found.cells == ()


def test_known_at_is_a_reason(opened):
    built(opened)
    built(opened, 1, known_at=day(5))

    found = difference(opened, "wanted")
    assert reasons(found) == [("asked for", "--known-at")]
    assert {cell.column for cell in found.cells} == {"bought"}


def test_another_split_moves_rows_and_leaves_their_values(opened):
    built(opened)
    moved = BY_TIME.replace("2024-01-05", "2024-01-06")
    opened.change({"models/wanted.sql": WANTED % moved})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert {(move["old"], move["new"]): move["rows"] for move in found.moved} == {
        ("test", "train"): 1,
        ("unsplit", "train"): 1,
    }
    assert reasons(found) == [("split", "split")]
    assert found.cells == ()
    assert not found.same


def test_rows_with_equal_keys_are_compared_one_by_one(opened):
    """Row 2 is there twice; only one of the two has another channel afterwards."""
    built(opened)
    rows = ROWS.to_pylist()
    rows[2]["channel"] = "web"
    opened.change({"data/asked.parquet": pa.Table.from_pylist(rows, ROWS.schema)})
    built(opened, 1)

    found = difference(opened, "wanted")
    assert (found.in_both, found.added.rows, found.gone.rows) == (7, 0, 0)
    assert [(cell.column, cell.rows) for cell in found.cells] == [("channel", 1)]
    assert ("channel", "categories") in [(change.column, change.what) for change in found.changed_columns]


def test_sets_without_a_key_in_common_cannot_be_compared(opened):
    built(opened)
    other = (WANTED % "").replace("['asked_id']", "['channel']").replace("a.asked_id, ", "")
    opened.change({"models/other.sql": other})
    with opened.project() as loaded:
        loaded.build_training_set("other")

    with pytest.raises(UsageError, match="have no keys and as-of time in common"):
        difference(opened, "wanted", "other")


# -- listing and dropping ----------------------------------------------------------------------------------------------


def trained_on(opened: Opened, training_set) -> None:
    """Register a version that says that it was trained on a set."""
    told = {"name": training_set.name, "id": training_set.id, "definition": "d", "splits": []}
    register(opened.root / "registry", "model", lambda folder, number: {**fill(folder, number), "training_set": told})


def test_the_list_says_who_was_trained_on_what(opened):
    first, second = built(opened), built(opened, 1, sample=0.5)
    trained_on(opened, first)

    with opened.project() as loaded:
        listed = loaded.training_sets()
    assert [(each.kept.id, each.used_by) for each in listed] == [(second.id, ()), (first.id, ("model@v1",))]


def test_only_what_nobody_needs_is_dropped(opened):
    used, old, new = built(opened), built(opened, 1, sample=0.5), built(opened, 2, sample=0.6)
    trained_on(opened, used)

    with opened.project() as loaded:
        would = loaded.gc_training_sets(dry_run=True)
        assert len(loaded.training_sets()) == 3
        did = loaded.gc_training_sets()
        left = [each.kept.id for each in loaded.training_sets()]

    assert [each.kept.id for each in would.dropped] == [each.kept.id for each in did.dropped] == [old.id]
    assert left == [new.id, used.id]


def test_as_many_of_a_name_are_kept_as_is_said(opened):
    for minute in range(4):
        built(opened, minute, sample=0.5 + minute / 10)

    with opened.project() as loaded:
        assert len(loaded.gc_training_sets(keep=3).dropped) == 1
        assert len(loaded.gc_training_sets(keep=0).dropped) == 3


def test_what_is_built_again_is_the_newest_and_stays(opened):
    first, _ = built(opened), built(opened, 1, sample=0.5)
    built(opened, 2)

    with opened.project() as loaded:
        loaded.gc_training_sets()
        assert [each.kept.id for each in loaded.training_sets()] == [first.id]


def test_a_damaged_set_does_not_stand_for_the_newest(opened):
    first, second = built(opened), built(opened, 1, sample=0.5)
    (second.path / "manifest.json").write_text("{}")

    with opened.project() as loaded:
        assert [each.state for each in loaded.training_sets()] == ["damaged", "ok"]
        loaded.gc_training_sets()
        assert [each.kept.id for each in loaded.training_sets()] == [first.id]


def test_nothing_is_dropped_while_a_version_cannot_be_read(opened):
    first, _ = built(opened), built(opened, 1, sample=0.5)
    trained_on(opened, first)
    write(opened.root, {f"registry/model/v1/{VERSION.manifest}": "{}"})

    with opened.project() as loaded:
        with pytest.raises(UsageError, match="nothing was dropped") as caught:
            loaded.gc_training_sets()
        assert caught.value.code == "cannot-tell-use"
        assert len(loaded.training_sets()) == 2


def test_one_set_is_given_by_name_and_the_beginning_of_its_id(opened):
    first, second = built(opened), built(opened, 1, sample=0.5)

    with opened.project() as loaded:
        assert loaded.training_set("wanted").id == second.id
        assert loaded.training_set("wanted", "previous").id == first.id
        assert loaded.training_set("wanted", first.id[:6]).id == first.id
        assert pq.read_table(loaded.training_set(f"wanted@{first.id}").file("train")).num_rows == 3


# -- what is asked for -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "inputs"),
    [
        (["spent.*"], ["spent_3d", "last_product"]),
        (["last_product", "channel"], ["channel", "last_product"]),
        (["spent.spent_3d"], ["spent_3d"]),
        (["SPENT_3D"], ["spent_3d"]),
    ],
)
def test_only_the_inputs_that_are_asked_for_are_kept(opened, names, inputs):
    found = built(opened, features=names)

    assert [column.name for column in found.inputs] == inputs
    assert pq.read_schema(found.file("train")).names == ["asked_id", "asked_at", *inputs, "bought"]
    assert list(found.null_rates) == ["asked_id", "asked_at", *inputs, "bought"]


def test_a_feature_that_is_not_there_is_refused_with_the_nearest(opened):
    with pytest.raises(UsageError, match="wanted has no output and no feature 'spent_3'") as caught:
        built(opened, features=["spent_3"])

    assert (caught.value.code, caught.value.hint) == ("unknown-feature", "did you mean 'spent_3d'?")


@pytest.mark.parametrize("sample", [0, -1, 1.5])
def test_a_sample_that_is_no_share_and_no_number_is_refused(opened, sample):
    with pytest.raises(UsageError, match="cannot be taken"):
        built(opened, sample=sample)


def test_a_sample_needs_keys_that_the_label_rows_have(opened):
    wanted = (WANTED % "").replace("a.asked_id, ", "a.asked_id + 1 as asked_id, ")
    opened.change({"models/wanted.sql": wanted})

    with pytest.raises(UsageError) as caught:
        built(opened, sample=0.5)
    assert (caught.value.code, str(caught.value.where)) == ("sample-keys", "models/wanted.sql:1:56")
