"""What there is and what the docs tell of are the same: codes, commands, options, config keys, public names, macros."""

from __future__ import annotations

import ast
import re

import click
import pytest

import sqlfeat
from sqlfeat.api import Project
from sqlfeat.base.assets import assets
from sqlfeat.cli.main import MODULES, program
from sqlfeat.cli.options import Call
from sqlfeat.spec.config import CONFIG_KEYS
from sqlfeat.spec.hook import EVENTS
from sqlfeat.spec.project_file import _KEYS as PROJECT_KEYS
from tests.docs.codes import Codes, codes_in_source
from tests.docs.pages import DOCS, README, ROOT, Page, pages

ERRORS = Page.read(DOCS / "errors.md")
COMMANDS = Page.read(DOCS / "reference" / "commands.md")
CONFIG = Page.read(DOCS / "reference" / "config.md")
TEMPLATES = Page.read(DOCS / "reference" / "templates.md")
PYTHON = Page.read(DOCS / "reference" / "python.md")


@pytest.fixture(scope="module")
def codes() -> Codes:
    return codes_in_source()


def documented_codes() -> list[str]:
    return [heading.strip("`") for heading in ERRORS.headings(3)]


def commands() -> dict[str, click.Command]:
    """Every command by what is typed."""
    context = click.Context(program)
    found = {}
    for name in MODULES:
        command = program.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            names = command.list_commands(context)
            found |= {f"{name} {inner}": each for inner in names if (each := command.get_command(context, inner))}
    return found


def test_every_code_has_an_entry(codes):
    missing = {code: where for code, where in codes.whole.items() if code not in documented_codes()}

    assert missing == {}


def test_every_entry_is_of_a_code(codes):
    beginnings = tuple(codes.beginnings)
    strange = [code for code in documented_codes() if code not in codes.whole and not code.startswith(beginnings)]

    assert strange == []


def test_every_code_that_is_put_together_has_an_entry(codes):
    for beginning in codes.beginnings:
        assert any(code.startswith(beginning) for code in documented_codes()), beginning


def test_no_code_has_two_entries():
    assert len(documented_codes()) == len(set(documented_codes()))


def test_every_command_has_an_entry():
    documented = {match[1] for heading in COMMANDS.headings(3) if (match := re.match(r"`sqlfeat ([a-z-]+)", heading))}

    assert documented == set(MODULES)


@pytest.mark.parametrize("name", commands())
def test_every_option_of_a_command_is_told_of(name):
    text = f"{name.split()[0]}{COMMANDS.text.split(f'### `sqlfeat {name.split()[0]}', 1)[1]}".split("\n### ", 1)[0]
    options = [option for option in commands()[name].params if isinstance(option, click.Option) and not option.hidden]
    own = [option for option in options if option.name not in Call.__dataclass_fields__]

    assert name.split()[-1] in text
    for option in own:
        assert any(spelled in text for spelled in option.opts), f"{name}: {option.opts}"


def test_every_option_of_all_commands_is_told_of():
    command = commands()["run"]
    shared = [option for option in command.params if option.name in Call.__dataclass_fields__]

    assert {spelled for option in shared for spelled in option.opts} <= COMMANDS.coded() | {
        word for code in COMMANDS.coded() for word in code.split()
    }


def test_every_config_key_is_told_of():
    assert set(CONFIG_KEYS) - CONFIG.coded() == set()


def test_every_key_of_the_project_file_is_told_of():
    assert set(PROJECT_KEYS) - CONFIG.coded() == set()


def test_every_public_name_is_told_of():
    assert set(sqlfeat.__all__) - PYTHON.coded() == set()


def test_every_method_of_a_project_is_told_of():
    methods = [name for name in vars(Project) if not name.startswith("_") and name != "load"]
    told = " ".join(PYTHON.coded())

    assert [name for name in methods if f".{name}" not in told] == []


def test_every_event_is_told_of():
    assert [event for event in EVENTS if f'@on("{event}")' not in PYTHON.coded()] == []


def test_every_packaged_macro_is_told_of():
    texts = [file.read_text(encoding="utf-8") for file in assets("macros").rglob("*.sql")]
    macros = {name for text in texts for name in re.findall(r"{% macro (\w+)", text)}
    told = {code.split("(")[0] for code in TEMPLATES.coded()}

    assert macros - told == set()


def test_what_templates_are_told_of_is_there():
    source = (ROOT / "sqlfeat" / "compiler" / "template.py").read_text(encoding="utf-8")
    names = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    functions = TEMPLATES.text.split("## Functions")[1].split("\n## ")[0]
    told = [match[1] for match in re.finditer(r"^\| `(\w+)", functions, re.MULTILINE)]

    assert [name for name in told if name not in names] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", page.text):
        path, anchor = target
        if path.startswith(("http://", "https://")):
            continue
        file = (page.path.parent / path).resolve() if path else page.path
        assert file.exists(), f"{page.name}: {path}"
        if anchor:
            headings = [heading for level in range(1, 5) for heading in Page.read(file).headings(level)]
            assert anchor[1:] in {_anchor(heading) for heading in headings}, f"{page.name}: {path}{anchor}"


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_readme_leads_to_every_page():
    index = Page.read(DOCS / "README.md")
    text = README.read_text(encoding="utf-8") + index.text.replace("](", "](docs/")
    lost = [page.name for page in pages() if page.path != README and f"]({page.name}" not in text]

    assert [name for name in lost if name != "docs/README.md"] == []
