"""Aliases, rollback, archive and gc: what each does, what it refuses, and what the journal says of it."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from sqlfeat.base.clock import FixedClock
from sqlfeat.base.files import sha256_text
from sqlfeat.errors import StoreError, UsageError
from sqlfeat.store.journal import Author, Entry, beginning, read_entries
from sqlfeat.store.model_state import ALIAS_DELETED, ALIAS_SET, ROLLED_BACK, STATE, read_history, writing
from sqlfeat.store.registry import load_version, register, registered_model, resolve
from sqlfeat.store.registry_changes import archive, before_alias, collect, delete_alias, rollback, set_alias
from tests.faults.registry import NAME as LATE
from tests.faults.registry import fill, point
from tests.made.sessions import NOW

CLOCK = FixedClock(NOW)


@pytest.fixture
def registry(tmp_path):
    for _ in range(3):
        register(tmp_path, LATE, fill, CLOCK)
    return tmp_path


def state(registry):
    return read_history(registry / LATE, LATE)[0]


def actions(registry):
    return [entry.action for entry in read_history(registry / LATE, LATE)[1]]


# -- aliases -----------------------------------------------------------------------------------------------------------


def test_an_alias_means_the_version_that_it_points_to_and_moves_in_one_step(registry):
    first = set_alias(registry, LATE, "champion", 1, expected=None, clock=CLOCK)
    second = set_alias(registry, LATE, "champion", 3, expected=1, message="better", clock=CLOCK)

    assert (first.before, first.version) == (None, 1)
    assert (second.before, second.version) == (1, 3)
    assert resolve(registry, "late@champion") == load_version(registry, LATE, 3)
    assert second.entry.as_dict() == {
        "entry": 5, "at": NOW.isoformat(), "user": Author.here().user, "host": Author.here().host,
        "action": "alias_set", "message": "better", "alias": "champion", "before": 1, "version": 3,
    }  # fmt: skip


def test_an_alias_that_points_there_already_is_no_change(registry):
    point(registry, "champion", 2)

    again = set_alias(registry, LATE, "champion", 2, expected=2)

    assert again.entry is None
    assert actions(registry) == ["registered"] * 3 + ["alias_set"]


def test_whoever_decides_on_an_alias_that_somebody_else_has_moved_is_told(registry):
    point(registry, "champion", 2)

    with pytest.raises(StoreError, match="pointed to nothing when this was decided, and points to v2 now") as caught:
        set_alias(registry, LATE, "champion", 1, expected=None)

    assert caught.value.code == "alias-moved"
    assert state(registry).aliases == {"champion": 2}


@pytest.mark.parametrize("alias", ["", "latest", "Latest", "3", "v3", "V3", "a b", "../x", "a@b", "ä", "x" * 201])
def test_what_could_mean_something_else_is_no_alias(registry, alias):
    with pytest.raises(UsageError) as caught:
        set_alias(registry, LATE, alias, 1, expected=None)

    assert caught.value.code == "bad-alias"


def test_an_alias_can_be_taken_away_and_a_misspelt_one_is_told(registry):
    point(registry, "champion", 2)
    with pytest.raises(StoreError, match="has no alias 'champoin'") as caught:
        delete_alias(registry, LATE, "champoin")
    assert caught.value.hint == "did you mean 'champion'?"

    gone = delete_alias(registry, LATE, "champion")

    assert (gone.before, gone.version) == (2, None)
    with pytest.raises(StoreError, match="has no alias 'champion'"):
        resolve(registry, "late@champion")


def test_an_alias_needs_a_version_that_is_there(registry):
    with pytest.raises(StoreError, match="has no version 4") as caught:
        set_alias(registry, LATE, "champion", 4, expected=None)
    assert (caught.value.code, caught.value.hint) == ("no-such-version", "there is v1, v2, v3.")

    with pytest.raises(StoreError, match="no registered model 'lat'") as caught:
        set_alias(registry, "lat", "champion", 1, expected=None)
    assert caught.value.hint == "did you mean 'late'?"
    assert not (registry / "lat").exists()


# -- rollback ----------------------------------------------------------------------------------------------------------


def test_a_rollback_goes_back_to_what_was_before_and_again_further_back(registry):
    for number in (1, 2, 3):
        point(registry, "champion", number)

    assert [rollback(registry, LATE).version for _ in range(2)] == [2, 1]
    with pytest.raises(UsageError, match=r"late@champion is v1, and was nothing before: there is nothing to go back"):
        rollback(registry, LATE)


def test_a_rollback_brings_an_alias_back_that_was_taken_away(registry):
    point(registry, "eu", 2)
    delete_alias(registry, LATE, "eu")

    assert rollback(registry, LATE, "eu").version == 2
    assert state(registry).aliases == {"eu": 2}


def test_a_rollback_to_what_is_gone_says_so(registry):
    for number in (1, 2):
        point(registry, "champion", number)
    archive(registry, "late@1")

    with pytest.raises(StoreError, match="late@v1 is archived") as caught:
        rollback(registry, LATE)

    assert caught.value.hint == "bring it back first: sqlfeat registry archive late@1 --undo."


MOVES = some.lists(some.sampled_from([*range(1, 6), "delete", "rollback"]), max_size=30)


@given(MOVES)
@settings(max_examples=200, deadline=None)
def test_what_an_alias_pointed_to_before_is_what_undoing_the_last_change_would_give(moves):
    """The oracle keeps every value that the alias has had, and takes the last one off for a rollback."""
    past, entries = [None], []

    def note(action, version):
        facts = {"alias": "champion", "before": past[-1]} | ({} if version is None else {"version": version})
        entries.append(Entry(len(entries) + 1, NOW, Author("a", "b"), action, "", None, facts))

    for move in moves:
        if move == "rollback":
            if len(past) > 1 and past[-2] is not None:
                note(ROLLED_BACK, past[-2])
                past.pop()
        elif move == "delete":
            if past[-1] is not None:
                note(ALIAS_DELETED, None)
                past.append(None)
        elif move != past[-1]:
            note(ALIAS_SET, move)
            past.append(move)

        assert before_alias(entries, "champion") == (past[-2] if len(past) > 1 else None)
        assert before_alias(entries, "challenger") is None


# -- archive and gc ----------------------------------------------------------------------------------------------------


def test_an_archived_version_is_no_latest_but_can_be_named_and_brought_back(registry):
    assert archive(registry, "late@3")[:2] == (LATE, 3)

    assert resolve(registry, LATE).version == 2
    assert resolve(registry, "late@3").version == 3
    model = registered_model(registry, LATE)
    assert [version.version for version in model.versions] == [1, 2, 3]
    assert [version.version for version in model.current] == [1, 2]
    assert archive(registry, "late@3")[2] is None

    archive(registry, "late@3", undo=True)

    assert resolve(registry, LATE).version == 3


def test_a_version_with_an_alias_is_not_archived(registry):
    point(registry, "champion", 2)
    point(registry, "eu", 2)

    with pytest.raises(UsageError, match="late@v2 is champion and eu: it cannot be archived") as caught:
        archive(registry, "late@2")

    assert caught.value.code == "aliased-version"


@pytest.mark.parametrize("reference", ["late", "late@latest", "late@nobody"])
def test_what_is_archived_must_be_named_by_its_number(registry, reference):
    with pytest.raises(UsageError, match="does not say which version"):
        archive(registry, reference)


def test_a_model_without_a_version_that_is_not_archived_has_no_latest(registry):
    for number in (1, 2, 3):
        archive(registry, f"late@{number}")

    with pytest.raises(StoreError, match="Every version of the registered model late is archived or dropped"):
        resolve(registry, LATE)


def test_gc_drops_what_was_archived_long_ago_and_nothing_that_an_alias_needs(registry):
    for _ in range(2):
        register(registry, LATE, fill, CLOCK)
    for number in (1, 2):
        point(registry, "champion", number)
    for number in (1, 3, 4):
        archive(registry, f"late@{number}", clock=CLOCK)
    later = FixedClock(NOW + timedelta(days=10))
    archive(registry, "late@4", undo=True, clock=CLOCK)
    archive(registry, "late@4", clock=later)

    asked = collect(registry, LATE, older_than=timedelta(days=10), dry_run=True, clock=later)
    done = collect(registry, LATE, older_than=timedelta(days=10), clock=later)

    assert asked == done
    assert [each.version for each in done.dropped] == [3]
    assert {each.version: each.kept_for for each in done.kept} == {
        1: "a rollback of champion goes back to it",
        4: "archived too lately",
    }
    assert done.bytes > 0
    assert sorted(path.name for path in (registry / LATE).glob("v*")) == ["v1", "v2", "v4", "v5"]
    with pytest.raises(StoreError, match="has had a version 3, which was dropped"):
        resolve(registry, "late@3")
    assert registered_model(registry, LATE).damaged == ()


def test_the_number_of_a_dropped_version_is_never_given_again(registry):
    archive(registry, "late@3")
    collect(registry, LATE, older_than=timedelta(0))

    assert register(registry, LATE, fill).version == 4


def test_gc_deletes_what_a_killed_training_has_left_and_a_dry_run_nothing(registry):
    left = registry / LATE / ".v9.1.abcdef.tmp"
    left.mkdir()
    (left / "model.txt").write_text("half")
    (registry / LATE / f".{STATE}.1.abcdef.tmp").write_text("half a state")
    (registry / LATE / "v3").rename(registry / LATE / "v9")  # whole, and never recorded
    archive(registry, "late@3")

    asked = collect(registry, LATE, older_than=timedelta(0), dry_run=True)
    assert left.exists()
    done = collect(registry, LATE, older_than=timedelta(0))

    assert {path.name for path in asked.leftovers} == {".v9.1.abcdef.tmp", f".{STATE}.1.abcdef.tmp"}
    assert {path.name for path in done.leftovers} == {"v9", ".v9.1.abcdef.tmp", f".{STATE}.1.abcdef.tmp"}
    assert sorted(path.name for path in (registry / LATE).glob("*[v9]*")) == ["v1", "v2"]


# -- the journal -------------------------------------------------------------------------------------------------------


def test_the_journal_is_lines_of_json_each_with_the_hash_of_the_one_before(registry):
    point(registry, "champion", 2)

    lines = (registry / LATE / "journal.jsonl").read_text().splitlines(keepends=True)

    entries = read_entries("".join(lines), LATE)
    assert [json.loads(line)["previous"] for line in lines] == [entry.previous for entry in entries]
    assert entries[0].previous == beginning(LATE)
    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert [entry.line() for entry in entries] == lines


@given(some.lists(some.text(max_size=20), max_size=6), some.data())
@settings(max_examples=150, deadline=None)
def test_whatever_people_write_is_kept_and_a_changed_character_breaks_the_chain(messages, data):
    text, previous = "", beginning(LATE)
    for number, message in enumerate(messages, start=1):
        entry = Entry(
            number, NOW, Author("ann", "vm"), "registered", previous, message.encode(errors="replace").decode()
        )
        text += entry.line()
        previous = sha256_text(entry.line())
    entries = read_entries(text, LATE)
    assert [entry.message for entry in entries] == [one.encode(errors="replace").decode() for one in messages]

    if len(messages) > 1:
        last = len(text) - len(entries[-1].line())  # the last line is bound by the state's hash
        place = data.draw(some.integers(0, last - 1))
        other = data.draw(some.characters(codec="utf-8").filter(lambda char: char != text[place]))
        with pytest.raises(ValueError, match="line"):
            read_entries(text[:place] + other + text[place + 1 :], LATE)


def test_a_message_of_any_bytes_can_be_kept(registry):
    message = b"caf\xe9\n\xe2\x80\xa8 next".decode("utf-8", "surrogateescape")

    set_alias(registry, LATE, "champion", 1, expected=None, message=message)

    assert read_history(registry / LATE, LATE)[1][-1].message == "caf\\udce9\n\u2028 next"


def test_a_line_that_could_not_be_written_is_written_with_the_next_change(registry, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        point(registry, "champion", 1)
    text = (registry / LATE / "journal.jsonl").read_text()
    assert len(text.splitlines()) == 3
    assert resolve(registry, "late@champion").version == 1

    point(registry, "champion", 2)

    assert (registry / LATE / "journal.jsonl").read_text().startswith(text)
    assert actions(registry) == ["registered"] * 3 + ["alias_set"] * 2
    assert len((registry / LATE / "journal.jsonl").read_text().splitlines()) == 5


def test_what_cannot_have_happened_is_not_recorded(registry):
    with writing(registry, LATE, CLOCK) as writer, pytest.raises(ValueError, match="cannot follow"):
        writer.record("registered", version=2, manifest="0")

    assert actions(registry) == ["registered"] * 3


def test_order_is_by_counter_when_the_clock_steps_back(registry):
    set_alias(registry, LATE, "champion", 1, expected=None, clock=FixedClock(NOW + timedelta(days=1)))
    set_alias(registry, LATE, "champion", 2, expected=1, clock=FixedClock(NOW - timedelta(days=1)))

    assert resolve(registry, "late@champion").version == 2
    assert rollback(registry, LATE, clock=CLOCK).version == 1
