"""What differs between two registered versions, and why, by what they record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sqlfeat.errors import UsageError
from sqlfeat.ops.version_difference import Change, compare, diff
from sqlfeat.store.registry_changes import archive
from tests.made.sessions import MadeSession, project
from tests.made.versions import INPUTS, register_version

SET = {
    "models": {"asked": {"sql": "select 1", "config": {}, "keys": []}}, "sources": {"source.raw.orders": "a"},
    "seen": {"source.raw.orders": {"rows": 10}}, "data": {}, "range": {"from": None, "to": None, "known_at": None},
    "sample": None, "outputs": None, "split": None, "versions": {"duckdb": "2.0.0"}, "splits": {"train": 5},
}  # fmt: skip


@pytest.fixture
def session(tmp_path):
    return MadeSession(project(tmp_path))


def told(training_set=None, files=None, hook="h1", packages=None):
    return {
        "training_set": {**SET, **(training_set or {})},
        "code": {"files": files or {}},
        "hook": {"sha256": hook},
        "around": {"packages": packages or {}},
    }


def trained_on(identity):
    return {"name": "late_flights", "id": identity, "definition": "d1", "splits": ["train", "test"]}


def test_equal_versions_have_no_difference(session):
    one, other = (register_version(session.spec.registry) for _ in range(2))

    found = compare(one, other)

    assert found.same_model
    assert not any(found.parts().values())
    assert found.reasons == ()
    assert [change.name for change in found.metrics] == ["train.auc", "test.auc"]


def test_everything_that_went_into_a_version_is_compared(session):
    inputs = [one.as_dict() for one in (replace(INPUTS[0], categories=("AA",)), *INPUTS[1:])]
    shape = {"inputs": inputs, "output": {"kind": "value", "classes": None}}
    before = told(files={"a.sql": "1"}, packages={"numpy": "2"})
    old = register_version(session.spec.registry, versions={"lightgbm": "4"}, provenance=before)
    new = register_version(
        session.spec.registry,
        params={"seed": 8, "rounds": 3},
        features={"carrier_delays.delay_7d": "f2"},
        signature=shape,
        versions={"lightgbm": "5"},
        git={"commit": "c" * 40, "dirty": True},
        provenance=told(files={"a.sql": "2"}, hook="h2", packages={"numpy": "3"}),
    )

    found = compare(old, new)

    assert found.params == (Change("seed", 7, 8), Change("rounds", None, 3))
    assert found.features == (Change("carrier_delays.delay_7d", "f1", "f2"),)
    assert [(change.name, change.old["categories"], change.new["categories"]) for change in found.inputs] == [
        ("carrier", 3, 1)
    ]
    assert [change.name for change in found.output] == ["kind", "classes"]
    assert found.versions == (Change("numpy", "2", "3"), Change("lightgbm", "4", "5"))
    assert [change.name for change in found.code] == ["commit", "dirty", "a.sql"]
    assert [(reason.kind, reason.text) for reason in found.reasons] == [
        ("params", "other values of seed, rounds."),
        ("hook", "the file of the hook late_lgbm changed."),
        ("versions", "lightgbm is 5, and was 4."),
    ]


def test_why_training_sets_differ_is_read_from_what_the_versions_record(session):
    old = register_version(session.spec.registry, training_set=trained_on("aaaa"), provenance=told())
    later = {"sources": {"source.raw.orders": "b"}, "seen": {"source.raw.orders": {"rows": 12}}}
    new = register_version(session.spec.registry, training_set=trained_on("bbbb"), provenance=told(later))

    found = compare(old, new)

    assert found.training_set == (Change("id", "aaaa", "bbbb"),)
    assert [(reason.kind, reason.text) for reason in found.reasons] == [
        ("data", "raw.orders has other rows: 10, and now 12."),
    ]


@pytest.mark.parametrize(
    ("compiled", "text"),
    [
        ({"carrier_delays": "c2"}, "the SQL of carrier_delays changed."),
        ({"carrier_delays": "c1"}, "the training set has other rows, or was asked for otherwise."),
    ],
)
def test_versions_that_record_less_tell_what_they_can(session, compiled, text):
    old = register_version(session.spec.registry, training_set=trained_on("aaaa"))
    new = register_version(session.spec.registry, training_set=trained_on("bbbb"), compiled=compiled)

    assert [reason.text for reason in compare(old, new).reasons] == [text]


def test_one_version_alone_is_compared_with_the_one_before_it_that_is_not_archived(session):
    for _ in range(3):
        register_version(session.spec.registry)
    archive(session.spec.registry, "late_lgbm@2")

    found = diff(session, "late_lgbm")

    assert (found.old.version, found.new.version) == (1, 3)
    with pytest.raises(UsageError, match="late_lgbm@v1 has no version before it"):
        diff(session, "late_lgbm@1")
