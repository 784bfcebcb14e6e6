"""What a version records of where it comes from: the whole chain, for people and machines, and no secret in it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.cli.audit import document_text
from sqlfeat.store.registry import register
from tests.made.audited import HOOK, WANTED, buyers, committed, git, orders, visits
from tests.made.projects import NOW, write
from tests.store.registering import fill

CANARY = "canary-5f2c9a-sings"


def opened(root: Path, **settings) -> Project:
    return Project.load(root, clock=FixedClock(NOW), **settings)


def audit(root: Path, reference: str = "buyers"):
    with opened(root) as project:
        return project.audit(reference)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A repository with uncommitted changes in which ``buyers@v1`` was trained, and which has lost its target since."""
    folder = tmp_path_factory.mktemp("audited") / "shop"
    wanted = WANTED.replace("a.pages,", "a.pages, {{ standardize('pages') }} as pages_z,")
    root = committed(buyers(folder, {"models/wanted.sql": wanted}))
    git(root, "remote", "add", "origin", "https://ann:password@example.org/shop.git")
    write(root, {"models/asked.sql": (root / "models" / "asked.sql").read_text() + "-- <script>alert(1)</script>\n"})
    with opened(root, vars={"horizon": 15}) as project:
        project.train("buyers", params={"shift": 0.25})
    shutil.rmtree(root / "target")
    return root


@pytest.fixture(scope="module")
def told(root) -> dict:
    return audit(root).as_dict()


# -- the chain ---------------------------------------------------------------------------------------------------------


def test_sources_are_told_with_rows_period_version_and_files(root, told):
    digest = hashlib.sha256((root / "data" / "orders.parquet").read_bytes()).hexdigest()
    source = told["sources"]["source.raw.orders"]

    assert list(told["sources"]) == ["source.raw.orders", "source.raw.visits"]
    assert source["files"] == [
        {
            "path": "data/orders.parquet",
            "bytes": (root / "data" / "orders.parquet").stat().st_size,
            "sha256": digest,
        }
    ]
    assert (source["rows"], source["version"], source["changed_meanwhile"]) == (60, digest[:32], False)
    assert source["first"] == str(orders()["ordered_at"][0].as_py()).replace("+00:00", "+00")


def test_every_sql_text_verdict_and_lineage_is_there_without_the_target(told):
    assert list(told["sql"]) == ["asked", "spent", "wanted"]
    assert "window('sum(amount)', '3 days')" in told["sql"]["spent"]["sql"]
    assert told["verdicts"]["verdicts"]["spent_3d"] == "safe"
    assert told["provenance"]["lineage"] == {
        "pages": {"expression": "a.pages", "from": ["raw.visits.pages"]},
        "pages_z": {"expression": "standardize(pages)", "from": ["raw.visits.pages"]},
        "spent_3d": {"expression": "spent.spent_3d", "from": ["raw.orders.amount"]},
    }


def test_the_parameters_of_transforms_are_told(root, told):
    pages = visits()["pages"].to_numpy()[: told["provenance"]["training_set"]["splits"]["train"]]
    fitted = told["model"]["transforms"]["standardize(pages)"]

    assert fitted["parameters"]["mean"] == pytest.approx(pages.mean())
    assert re.search(r"standardize\(pages\) +pages_z +\{\"mean\": \d", str(document_text(audit(root).document)))


def test_code_hook_run_and_machine_are_told(root, told):
    record, text = told["provenance"], (root / "hooks" / "buyers.py").read_text()

    assert record["code"]["commit"] == git(root, "rev-parse", "HEAD")
    assert record["code"]["remote"] == "https://example.org/shop.git"
    assert record["code"]["changes"] == [{"path": "models/asked.sql", "status": " M"}]
    assert "+-- <script>alert(1)</script>" in told["patch"]
    assert (record["hook"]["source"], record["hook"]["sha256"]) == (text, hashlib.sha256(text.encode()).hexdigest())
    assert record["run"]["params"] == {"shift": 0.25}
    assert record["run"]["variables"]["horizon"]["value"] == 15
    assert record["around"]["variables"]["PYTHONHASHSEED"] == "0"
    assert {"numpy", "pyarrow", "sqlfeat"} <= set(record["around"]["packages"])
    assert record["around"]["modules"] == {"hooks/buyers.py": record["hook"]["sha256"]}
    assert set(record["who"]) == {"user", "host"}
    assert json.loads(json.dumps(told)) == told


def test_a_file_that_is_edited_while_it_trains_is_said(tmp_path):
    edits = HOOK.replace("middle = ", "open('hooks/buyers.py', 'a').write('# more')\n        middle = ")
    root = committed(buyers(tmp_path / "shop", {"hooks/buyers.py": edits}))
    with opened(root) as project:
        project.train("buyers")

    found = audit(root)

    assert "The hook's file, exactly: it was edited while it was running." in found.unknown
    assert "# more" not in found.version.provenance["hook"]["source"].replace("'# more'", "")


def test_what_is_not_known_is_said(root, tmp_path):
    assert audit(root).unknown == ("The rows of the sources: they are known by hash, not kept.",)

    learned = {"name": "wanted", "id": "0f3a", "definition": "d1", "splits": []}
    register(tmp_path / "registry", "old", lambda *about: {**fill(*about), "training_set": learned})
    copy = Path(shutil.copytree(root, tmp_path / "shop"))
    shutil.copytree(tmp_path / "registry" / "old", copy / "registry" / "old")
    old = audit(copy, "old")

    assert old.unknown == (
        "Sources, SQL texts, verdicts, code, machine, and who made it: an older sqlfeat made this version.",
    )
    assert "not recorded" in old.html()
    assert "# Model card: old@v1" in old.card()


# -- pages -------------------------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_needs_nothing_else(root):
    page = audit(root).html()
    tree = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    addresses = [
        value for one in tree.iter() for name, value in one.items() if name in ("src", "href", "action", "data")
    ]

    assert {one.tag for one in tree.iter()}.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form"})
    assert [address for address in addresses if not address.startswith("#")] == []
    assert re.findall(r"url\(|@import|expression\(", page) == []
    assert "alert(1)" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_the_card_says_what_it_predicts_from_what_and_how_well(root):
    card = audit(root).card()

    assert "**predicts**: bought, as the probability of True" in card
    assert "| `raw.orders` | 60 | 2024-01-01" in card
    assert re.search(r"\| `spent_3d` \| \S+ \| numeric \| safe \| \d+\.\d% \| `raw.orders.amount` \|", card)
    for part in ("Data", "How good it is", "For whom", "Calibration", "Inputs", "Limits and warnings"):
        assert f"\n## {part}\n" in card
    assert f"git checkout {git(root, 'rev-parse', 'HEAD')}" in card
    assert "sqlfeat registry reproduce buyers@v1" in card


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_no_secret_is_in_any_artifact(tmp_path, monkeypatch):
    data = tmp_path / CANARY
    hook = HOOK.replace("from sqlfeat", "import os\n    from sqlfeat").replace(
        "middle = ",
        "print(os.environ['CANARY_C'])\n        middle = ",
    )
    hook = hook.replace('"seed": 7', '"token": os.environ["CANARY_C"]')
    asked = """
        {{ config(materialized='table', event_time='visited_at', role='label') }}
        select visit_id, customer, visited_at, pages, bought from {{ source('raw', 'visits') }}
        where '{{ env_var("CANARY_D") }}' <> '{{ var("given") | length }}'
    """
    root = buyers(tmp_path / "shop", {"hooks/buyers.py": hook, "models/asked.sql": asked, "notes.txt": "plain"})
    sources = (root / "models" / "sources.yml").read_text().replace("data/{name}", "${env:CANARY_A}/{name}")
    write(root, {"models/sources.yml": sources})
    (root / "sqlfeat_project.yml").write_text(
        (root / "sqlfeat_project.yml").read_text() + 'vars: {password: "${env:CANARY_B}", given: x}\n'
    )
    shutil.move(root / "data", data)
    committed(root)
    git(root, "remote", "add", "origin", f"https://x:{CANARY}-remote@example.org/shop.git")
    write(root, {"notes.txt": f"{CANARY}-E", "models/notes.md": f"{CANARY}-E", ".env": f"SECRET={CANARY}-E"})
    monkeypatch.setenv("CANARY_A", str(data))
    for name in "BCD":
        monkeypatch.setenv(f"CANARY_{name}", f"{CANARY}-{name}")
    monkeypatch.setenv("SERVICE_TOKEN", f"{CANARY}-E")
    monkeypatch.setenv("UNHEARD_OF", f"{CANARY}-F")

    with opened(root, vars={"given": f"{CANARY}-G"}) as project:
        project.train("buyers", params={"shift": 0.5})
        found = project.audit("buyers")
        again = project.reproduce("buyers")

    kept = [path for folder in ("registry", "target/training_sets") for path in (root / folder).rglob("*")]
    texts = {path.as_posix(): path.read_bytes() for path in kept if path.is_file()}
    texts |= {"html": found.html().encode(), "card": found.card().encode()}
    texts |= {"audit": json.dumps(found.as_dict()).encode(), "again": json.dumps(again.as_dict()).encode()}
    assert len(texts) > 9
    assert [name for name, raw in texts.items() if CANARY.encode() in raw] == []
    code = found.version.provenance["code"]
    assert code["patch_left_out"] == "it holds the value of SERVICE_TOKEN"
    assert [(one["path"], one["left_out"]) for one in code["untracked"]] == [
        (".env", "hidden"), ("models/notes.md", "it holds the value of SERVICE_TOKEN"),
    ]  # fmt: skip
    assert (
        found.version.provenance["sources"]["source.raw.orders"]["files"][0]["path"] == "${env:CANARY_A}/orders.parquet"
    )
    assert found.version.params["token"] == "${env:CANARY_C}"
    assert again.outcome == "reproduced"
