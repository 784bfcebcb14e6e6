"""Every rule has a page, and what its examples show is what check says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sqlfeat.api import Project
from sqlfeat.compiler.rules import RULES
from sqlfeat.ops.check_result import CheckResult
from tests.docs.pages import DOCS, Page

RULE_PAGES = DOCS / "rules"
INSTANT = pa.timestamp("us", "UTC")
TEXTS = ("customer", "product", "depot", "device", "plan", "category", "remark")
TABLES = {
    "orders": "order_id customer product amount ordered_at",
    "payments": "payment_id customer amount paid_at recorded_at",
    "deliveries": "order_id depot delivered_at",
    "readings": "device read_at celsius",
    "plans": "customer plan valid_from",
    "requests": "request_id customer product asked_at",
    "stock": "product day units",
    "products": "product category",
    "remarks": "customer remark",
}


def type_of(column: str) -> pa.DataType:
    if column.endswith("_at") or column.startswith("valid_"):
        return INSTANT
    if column == "day":
        return pa.date32()
    return pa.string() if column in TEXTS else pa.int64()


def models_of(text: str, name: str) -> dict[str, str]:
    """The models of an example by their names; a single one bears the name that it is given."""
    parts = re.split(r"^-- model: (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True)) if len(parts) > 1 else {name: text}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, CheckResult]]:
    """What check says of each example: by rule, and by the heading that it stands under."""
    root = tmp_path_factory.mktemp("rules")
    (root / "data").mkdir()
    for name, columns in TABLES.items():
        schema = pa.schema([(column, type_of(column)) for column in columns.split()])
        pq.write_table(schema.empty_table(), root / "data" / f"{name}.parquet")
    (sources,) = [block.text for block in Page.read(RULE_PAGES / "README.md").blocks() if block.language == "yaml"]
    found: dict[str, dict[str, CheckResult]] = {}
    for number, heading in enumerate(("first", "Mended")):
        found |= _checked(root, sources, number, heading, found)
    return found


def _checked(root: Path, sources: str, number: int, heading: str, before: dict) -> dict[str, dict[str, CheckResult]]:
    folder = root / f"project{number}"
    (folder / "models").mkdir(parents=True)
    (folder / "data").symlink_to(root / "data")
    (folder / "sqlfeat_project.yml").write_text("name: rules\ntargets:\n  dev: {engine: duckdb, path: t.duckdb}\n")
    (folder / "models" / "sources.yml").write_text(sources)
    names: dict[str, list[str]] = {}
    for rule in RULES:
        example = Page.read(RULE_PAGES / f"{rule}.md").blocks()[number]
        for name, text in models_of(example.text, "m").items():
            own = f"{rule.replace('-', '_')}__{name}"
            names.setdefault(rule, []).append(own)
            text = re.sub(r"ref\('(\w+)'\)", rf"ref('{rule.replace('-', '_')}__\1')", text)
            (folder / "models" / f"{own}.sql").write_text(text)
    with Project.load(folder) as project:
        return {rule: {**before.get(rule, {}), heading: project.check(own)} for rule, own in names.items()}


@pytest.mark.parametrize("rule", RULES)
def test_the_leaky_example_breaks_the_rule(checked, rule):
    *_, model = checked[rule]["first"].models
    said = Page.read(RULE_PAGES / f"{rule}.md").headings(2)[0]
    worst = [c for c in model.columns if c.verdict == model.verdict]

    assert model.error is None
    assert {"Leaky": "unsafe", "Unproven": "unproven"}[said] == model.verdict
    assert rule in {column.problems[0].finding.rule for column in worst}


@pytest.mark.parametrize("rule", RULES)
def test_the_mended_example_is_safe(checked, rule):
    *_, model = checked[rule]["Mended"].models

    assert [(c.name, c.problems) for c in model.columns if c.problems] == []
    assert model.verdict == "safe"


def test_every_rule_has_a_page_and_a_line_in_the_list():
    pages = {path.stem for path in RULE_PAGES.glob("*.md")} - {"README"}
    index = Page.read(RULE_PAGES / "README.md").text

    assert set(RULES) == pages
    for rule in RULES.values():
        assert f"| [`{rule.id}`]({rule.id}.md) | {rule.meaning} |" in index
        assert rule.meaning in Page.read(RULE_PAGES / f"{rule.id}.md").text
        assert rule.page == f"docs/rules/{rule.id}.md"
