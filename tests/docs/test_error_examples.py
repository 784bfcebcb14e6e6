"""Every example in ``docs/errors.md`` gives the error that it stands under."""

from __future__ import annotations

import shlex
from itertools import groupby
from pathlib import Path

import pytest

from sqlfeat.cli.main import main
from tests.docs.pages import DOCS, Block, Page

ERRORS = Page.read(DOCS / "errors.md")
BASIS, *_ENTRIES = (list(blocks) for _, blocks in groupby(ERRORS.blocks(), key=lambda block: block.heading))
EXAMPLES = {blocks[0].heading.strip("`"): blocks for blocks in _ENTRIES}


def write(folder: Path, blocks: list[Block]) -> None:
    for block in blocks:
        if block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_gives_its_error(code, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    write(tmp_path, BASIS)
    write(tmp_path, EXAMPLES[code])
    commands = [step.command for block in EXAMPLES[code] for step in block.steps if block.language == "console"]
    for command in commands or ["sqlfeat compile"]:
        main(shlex.split(command)[1:])
    printed = "".join(capfd.readouterr())

    assert f"[{code}]" in printed, printed


def test_the_project_of_the_examples_is_right(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, BASIS)

    assert main(["build"]) == 0, "".join(capfd.readouterr())
    assert main(["build-training-set", "large_orders"]) == 0, "".join(capfd.readouterr())
