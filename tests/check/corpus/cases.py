"""The cases of the corpus: SQL as people write it, each with the truth about its last model in a header.

A case is a file ``NAME.sql``::

    -- verdict: unsafe|safe|unproven     the truth, by the definition in TIME.md and nothing else; ``unproven`` only
    --                                   where neither the SQL nor the declarations tell it
    -- columns: a, b                     which columns carry it (none named: all); the others are safe
    -- rule: whole-partition             the rule one would expect; of a safe case, the one that it is a near miss of
    -- why: …                            for an unsafe one a counterexample in words
    -- data: years 7 12                  where only special data show it: their span and seed (data.py), which cutoff
    -- written: before                   before the checker was; what was added later says ``after``

and one model, or several below lines ``-- model: NAME`` of which the last bears the name of the case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from tests.check.corpus.data import SCHEMAS, table

HERE = Path(__file__).parent
VERDICTS = ("safe", "unsafe", "unproven")
PROJECT = """
name: corpus
targets:
  dev: {engine: duckdb, path: target/corpus.duckdb, threads: 1}
entities:
  user: {keys: [user_id]}
  account: {keys: [account_id]}
  customer: {keys: [customer_id]}
  device: {keys: [device_id]}
  shipment: {keys: [shipment_id]}
  depot: {keys: [depot]}
"""
_HEADER = re.compile(r"-- (verdict|columns|rule|why|data|written): (.*)")
_MODEL = re.compile(r"^-- model: (\w+)\n", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One case: the truth about its last model, and its models' texts by their names."""

    name: str
    verdict: str
    columns: tuple[str, ...]
    rule: str
    why: str
    data: tuple[str, int, int] | None
    written: str
    models: dict[str, str]

    def truth(self, column: str) -> str:
        """What is true of one column."""
        carries = not self.columns or column in self.columns
        return self.verdict if carries else "safe"


def read_case(path: Path) -> Case:
    """The case in a file."""
    text = path.read_text("utf-8")
    lines = text.split("\n")
    said: dict[str, str] = {}
    key, length = "", 0
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found:
            key = found[1]
            said[key] = found[2].strip()
        elif line.startswith("--      ") and key:
            said[key] += " " + line[2:].strip()
        else:
            break
        length += 1
    body = "\n".join(lines[length:])
    parts = _MODEL.split(body)
    models = dict(zip(parts[1::2], parts[2::2], strict=True)) if len(parts) > 1 else {path.stem: body}
    return Case(
        name=path.stem,
        verdict=said["verdict"],
        columns=tuple(name.strip() for name in said["columns"].split(",")) if "columns" in said else (),
        rule=said["rule"],
        why=said["why"],
        data=_data(said["data"]) if "data" in said else None,
        written=said["written"],
        models=models,
    )


def _data(said: str) -> tuple[str, int, int]:
    span, seed, cutoff = said.split()
    return span, int(seed), int(cutoff)


def read_cases() -> dict[str, Case]:
    """Every case, by its name."""
    return {path.stem: read_case(path) for path in sorted(HERE.glob("*.sql"))}


def write_project(root: Path, cases: dict[str, Case]) -> Path:
    """A project of all cases' models over empty sources."""
    (root / "models" / "cases").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "sqlfeat_project.yml").write_text(PROJECT, "utf-8")
    (root / "models" / "sources.yml").write_text((HERE / "sources.yml").read_text("utf-8"), "utf-8")
    for name in SCHEMAS:
        pq.write_table(table(name, []), root / "data" / f"{name}.parquet")
    for case in cases.values():
        for name, sql in case.models.items():
            (root / "models" / "cases" / f"{name}.sql").write_text(sql, "utf-8")
    return root
