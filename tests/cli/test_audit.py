"""The commands that tell where a version comes from and rebuild it: what they pass on, and how the answers read."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfeat.errors import HookError
from sqlfeat.ops.document import Bars, Document, Facts, Listing, Notes, Section, Table
from sqlfeat.ops.reproduction import (
    FileComparison,
    Finding,
    MetricComparison,
    ModelComparison,
    Reproduction,
    SetComparison,
)

SAME_SET = SetComparison("5f2c9a", "5f2c9a", 1_100, 1_100, (FileComparison("train.parquet", same=True),))
SAME_MODEL = ModelComparison("model.txt", "0f" * 32, "0f" * 32)


@dataclass
class Found:
    """What an audit gives."""

    document = Document(
        "Audit of late_lgbm@v3",
        "What is recorded.",
        (
            Section("Model", (Facts((("file", "model.txt\x1b[31m"),)),)),
            Section(
                "Sources",
                (
                    Table(("source", "rows"), (("raw.flights", "1,100"),), (1,), "All"),
                    Bars("importance", (("a", 3.0),)),
                    Listing("spent", "sql", "select 1\n\x1b[31m"),
                    Notes(("it is late",)),
                ),
            ),
            Section("Transforms", (), "the training set fits none"),
        ),
    )

    def html(self) -> str:
        return "<html/>"

    def card(self) -> str:
        return "# card\n"

    def as_dict(self) -> dict[str, object]:
        return {"reference": "late_lgbm@v3"}


def test_an_audit_reads_as_a_person_wants_it(typing, project):
    project.answers["audit"] = Found()

    assert (
        typing("registry", "audit", "late_lgbm").out
        == """\
Audit of late_lgbm@v3
What is recorded.

Model
  file   model.txt\\x1b[31m

Sources
  All
  source         rows
  raw.flights   1,100

  importance
  a   100.0 %   ██████████████████████████████

  spent
    select 1
    \\x1b[31m

  - it is late

Transforms
  the training set fits none
"""
    )
    assert project.calls["audit"] == (("late_lgbm",), {})


def test_pages_and_cards_are_written_where_they_are_asked_for(typing, project, tmp_path):
    project.answers["audit"] = Found()
    page, card = tmp_path / "new" / "audit.html", tmp_path / "card.md"

    written = typing("registry", "audit", "late_lgbm@3", "--html", str(page), "--card", str(card))

    assert (written.code, written.out) == (0, "")
    assert written.err == f"written: {page}\nwritten: {card}\n"
    assert (page.read_text(), card.read_text()) == ("<html/>", "# card\n")
    assert typing("registry", "audit", "late_lgbm", "--json", "--card", str(card)).document == {
        "reference": "late_lgbm@v3"
    }


def test_the_same_again_is_said_and_ends_well(typing, project):
    project.answers["reproduce"] = Reproduction("late_lgbm@v3", (), SAME_SET, SAME_MODEL)

    said = typing("registry", "reproduce", "late_lgbm")

    assert said.code == 0
    assert (
        said.out
        == f"""\
reproduce late_lgbm@v3

  training set
  id              5f2c9a
  rows            1,100
  train.parquet   the same

  model
  model.txt   the same, sha256 {"0f" * 32}
  metrics     the same

reproduced: late_lgbm@v3 is the same, byte for byte.
"""
    )
    assert project.calls["reproduce"] == (("late_lgbm",), {"only_look": False})


def test_what_is_missing_is_said_first_and_fails(typing, project):
    findings = (Finding("source", "raw.orders: data/orders.parquet is gone", stops=True), Finding("machine", "other"))
    project.answers["reproduce"] = Reproduction("late_lgbm@v3", findings)

    said = typing("registry", "reproduce", "late_lgbm", "--dry-run")

    assert said.code == 1
    assert (
        said.out
        == """\
reproduce late_lgbm@v3

  missing
  source   raw.orders: data/orders.parquet is gone

  otherwise now
  machine   other

not possible: late_lgbm@v3 cannot be rebuilt here and now.
"""
    )
    assert project.calls["reproduce"] == (("late_lgbm",), {"only_look": True})


def test_what_differs_is_said_file_by_file_and_fails(typing, project):
    files = (
        FileComparison("train.parquet", same=False, columns=("a", "b")),
        FileComparison("test.parquet", same=False, note="it is new"),
    )
    built = SetComparison("5f2c9a", "77", 1_100, 1_101, files, ("source raw.orders: 1 then, 2 now",))
    model = ModelComparison(
        "model.txt", "0f" * 32, "aa" * 32, ("all 8 trees are equal",), {"seed": (1, 2)},
        (MetricComparison("test", "auc", 0.5, None),), ("deterministic is not set",),
    )  # fmt: skip
    result = Reproduction("late_lgbm@v3", (), built, model)
    project.answers["reproduce"] = result

    said = typing("registry", "reproduce", "late_lgbm")

    assert said.code == 1
    assert (
        said.out
        == f"""\
reproduce late_lgbm@v3

  training set
  id              5f2c9a then, 77 now
  rows            1,100 then, 1,101 now
  train.parquet   differs: in a, b
  test.parquet    differs: it is new
  because         source raw.orders: 1 then, 2 now

  model
  model.txt     differs: sha256 {"0f" * 32} then
                         sha256 {"aa" * 32} now
                all 8 trees are equal
  seed          1 then, 2 now
  auc on test   0.5000 then, null now
  perhaps       deterministic is not set

differs: late_lgbm@v3 was rebuilt, and is not the same.
"""
    )
    told = typing("registry", "reproduce", "late_lgbm", "--json")
    assert (told.code, told.document["outcome"], told.document["model"]["same"]) == (1, "differs", False)


def test_an_error_of_the_rebuilding_is_shown_in_full(typing, project):
    error = HookError("hook-failed", "The hook raised KeyError: 'x'.", hint="all of it is in the log.")
    project.answers["reproduce"] = Reproduction("late_lgbm@v3", (), error=error)

    said = typing("registry", "reproduce", "late_lgbm")

    assert said.code == 1
    assert "it could not be rebuilt\n[hook-failed] The hook raised KeyError: 'x'." in said.out
    assert said.out.endswith("not possible: late_lgbm@v3 cannot be rebuilt here and now.\n")
