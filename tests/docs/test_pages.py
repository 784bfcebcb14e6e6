"""Every page can be followed from its top to its end, and prints what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, README, ROOT, Block, Page, pages
from tests.docs.shell import Shell, reads_like

TOLD_ELSEWHERE = ("docs/errors.md",)
"""Followed by ``test_error_examples``, entry by entry."""
FLIGHTS = ("README.md", "docs/guides/training-and-predicting.md")
"""Followed one after the other in the flights project."""
OWN = [page for page in pages() if page.name not in (*TOLD_ELSEWHERE, *FLIGHTS) and any(b.title for b in page.blocks())]
TEMPLATE = ROOT / "project_template"


def readme() -> Page:
    return Page.read(README)


@pytest.mark.parametrize("page", OWN, ids=lambda page: page.name)
def test_a_page_with_a_project_of_its_own_can_be_followed(page, tmp_path):
    (tmp_path / "project").mkdir()
    Shell(tmp_path / "project", tmp_path / "bin").follow(page)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in which the README has been followed."""
    folder = tmp_path_factory.mktemp("flights")
    (folder / "work").mkdir()
    shell = Shell(folder / "work", folder / "bin")
    shell.follow(readme())
    return shell


def test_the_readme_can_be_followed(flights):
    assert (flights.folder / "target" / "predictions" / "late_lgbm").is_dir()


def test_the_python_of_the_readme_runs(flights):
    (block,) = [block for block in readme().blocks() if block.language == "python"]
    (flights.folder / "same.py").write_text(block.text, encoding="utf-8")
    code, printed = flights.type(f"{sys.executable} same.py")

    assert code == 0, printed
    assert "'train': 42341" in printed


def test_the_guide_to_training_can_be_followed(flights):
    flights.follow(Page.read(DOCS / "guides" / "training-and-predicting.md"))


@pytest.mark.parametrize("block", [b for b in readme().blocks() if b.language == "sql" and b.title is None])
def test_the_sql_of_the_readme_is_that_of_the_template(block):
    first, *rest = block.text.splitlines()
    path = Path(first.removeprefix("-- ").split(",")[0])
    written = (TEMPLATE / path).read_text(encoding="utf-8").splitlines()

    assert [line for line in rest if line.strip() and line not in written] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_target_of_make_that_a_page_names_is_there(page):
    targets = {line.split(":")[0] for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()}
    asked = [step.command.split()[1] for block in page.blocks() for step in block.steps if step.command[:5] == "make "]

    assert [target for target in asked if target not in targets] == []


def test_a_block_that_says_what_is_not_printed_is_found():
    block = Block("", 1, "console", None, "$ sqlfeat run\n1 built in 0.31 s\n…\nend\n")
    (step,) = block.steps

    assert reads_like(step.printed, "1 built in 12 s\nand\nmore\nend\n")
    assert not reads_like(step.printed, "2 built in 12 s\nend\n")
    assert not reads_like(step.printed, "1 built in 12 s\nmore\nend\nand more\n")
