"""The picture of the house shows every file of the house, and no other."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, Page

PAGE = Page.read(ROOT / "ARCHITECTURE.md")
NO_STORY = ("__init__.py",)


def drawn() -> set[str]:
    """The files that the picture names, each below the folder under which it stands."""
    (picture,) = [block.text for block in PAGE.blocks() if "sqlfeat/\n" in block.text]
    inside = picture.split("sqlfeat/\n")[1].split("\ndocs/")[0]
    files, folders = set(), [(0, "")]
    for line in inside.splitlines():
        indent = len(line) - len(line.lstrip())
        folder = re.match(r"\s*(\w+)/", line)
        while folders[-1][0] >= indent > 0:
            folders.pop()
        if folder:
            folders.append((indent, f"{folders[-1][1]}{folder[1]}/"))
        files |= {f"{folders[-1][1]}{name}" for name in re.findall(r"\b(\w+\.py)\b", line)}
    return files


def test_every_module_is_drawn_and_every_drawn_module_is_there():
    package = ROOT / "sqlfeat"
    there = {path.relative_to(package).as_posix() for path in package.rglob("*.py") if path.name not in NO_STORY}

    assert drawn() - {"__init__.py"} == there


def test_the_layers_are_those_that_are_checked():
    (picture,) = [block.text for block in PAGE.blocks() if "sqlfeat/\n" in block.text]
    numbers = {name: int(number) for name, number in re.findall(r"^  (\w+)(?:\.py|/) +(\d) ", picture, re.MULTILINE)}
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("layers = [")[1].split("]")[0]
    order = [re.findall(r"\w+", line) for line in contract.splitlines() if '"' in line][::-1]
    ranks = {name: rank for rank, names in enumerate(order) for name in names}

    assert sorted(numbers, key=lambda name: (numbers[name], name)) == sorted(numbers, key=lambda n: (ranks[n], n))
