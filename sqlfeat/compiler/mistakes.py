"""What goes wrong in a template, in our words and at its place: Jinja's errors and Python's become project errors.

It knows the environment that ran the template and the names that were defined; nothing of models.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError
from jinja2.exceptions import SecurityError

from sqlfeat.base.names import did_you_mean, nearest
from sqlfeat.compiler.environment import Facade, NotThere, TemplateEnvironment
from sqlfeat.compiler.facades import Named, Record
from sqlfeat.compiler.source_map import place_in, place_of
from sqlfeat.errors import Place, ProjectError, SqlfeatError

FAILURES = (
    TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, SyntaxError,
    MemoryError,
)  # fmt: skip
"""What compiling or running a template may raise, when the template is at fault."""


class Misplaced(ProjectError):
    """An error that a function of a template raises: its place is where ``word`` stands in the call."""

    def __init__(self, code: str, what: str, word: str = "", hint: str | None = None) -> None:
        super().__init__(code, what, None, hint)
        self.word = word


@contextmanager
def placed(environment: TemplateEnvironment, namespace: Mapping[str, Any], path: str, text: str) -> Iterator[None]:
    """Give every error of a template its place in it."""
    try:
        yield
    except TemplateSyntaxError as error:
        raise _syntax(error, environment, path, environment.sources.get(path, text)) from error
    except SqlfeatError as error:
        word = error.word if isinstance(error, Misplaced) else ""
        error.where = error.where or _place(environment, error, path, word)
        raise
    except NotThere as error:
        raise _not_there(error, namespace, _place(environment, error, path, error.name)) from error
    except SecurityError as error:
        where = _place(environment, error, path)
        raise ProjectError("template-forbidden", sentence(str(error)), where, _SANDBOX) from error
    except RecursionError as error:
        where = _place(environment, error, path)
        what = "This template calls itself without end, or is nested too deeply."
        raise ProjectError("template-failed", what, where) from error
    except TypeError as error:
        raise _miscalled(error, namespace, environment, path) from error
    except FAILURES as error:
        where = _place(environment, error, path)
        raise ProjectError("template-failed", f"This template fails: {_reason(error)}.", where) from error


_SANDBOX = "templates reach what is given to them, and no more: no Python, no files, nothing without bounds."


def _place(environment: TemplateEnvironment, error: BaseException, path: str, word: str = "") -> Place:
    sites = environment.sites_of(error.__traceback__)
    if not sites:
        return place_in(environment.sources.get(path, ""), path, 0)
    return place_of(sites, environment.sources, word)


def _not_there(error: NotThere, namespace: Mapping[str, Any], where: Place) -> ProjectError:
    if error.owner is None:
        found = nearest(error.name, (key for key in namespace if not key.startswith("_")))
        mend = f"did you mean {found!r}?" if found else "is it a macro of a package, or a variable: var('…')?"
        return ProjectError("template-undefined", f"{error.name!r} is not defined in this template.", where, mend)
    owner, names = _described(error.owner)
    hint = did_you_mean(error.name, names) if names else None
    return ProjectError("template-undefined", f"There is no {error.name!r} in {owner}.", where, hint)


def _miscalled(
    error: TypeError, namespace: Mapping[str, Any], environment: TemplateEnvironment, path: str
) -> ProjectError:
    """A function of ours that is given other arguments than it has, with those that it has."""
    said = _CALL.match(str(error))
    name = next((name for name, given in namespace.items() if said and _is_called(given, said["name"])), None)
    if said is None or name is None:
        where = _place(environment, error, path)
        return ProjectError("template-failed", f"This template fails: {_reason(error)}.", where)
    if said["unknown"]:
        what = f"{name}() has no argument {said['unknown']!r}."
    elif said["missing"]:
        what = f"{name}() is missing its argument {said['missing']!r}."
    else:
        what = f"{name}() is given too many arguments." if said["many"] else sentence(f"{name}() {said['rest']}")
    where = _place(environment, error, path, said["unknown"] or name)
    return ProjectError("template-failed", what, where, f"{name}({_arguments(namespace[name])})")


_CALL = re.compile(
    r"(?:\w+\.)*(?P<name>\w+)\(\) (?P<rest>"
    r"got an unexpected keyword argument '(?P<unknown>\w+)'|"
    r"missing \d+ required .* arguments?: '(?P<missing>\w+)'.*|"
    r"(?P<many>takes .* were? given)|.*)"
)


def _is_called(given: Any, name: str) -> bool:
    return getattr(given, "__name__", None) == name and inspect.isroutine(given)


def _arguments(function: Any) -> str:
    """The arguments of a function as one writes them."""
    told = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            told.append("…")
        else:
            told.append(parameter.name if parameter.default is parameter.empty else f"{parameter.name}=…")
    return ", ".join(told)


def _described(owner: Any) -> tuple[str, list[str]]:
    """What a value is in a user's words, and the names that it has."""
    if isinstance(owner, Record):
        return str(owner), sorted(owner.allowed)
    if isinstance(owner, Named):
        return "this row", owner.keys()
    if isinstance(owner, Facade):
        return "this", sorted(owner.allowed)
    if isinstance(owner, Mapping):
        return "this mapping", [str(key) for key in owner]
    names = {str: "a text", bool: "a truth value", int: "a number", float: "a number", type(None): "none"}
    return names.get(type(owner), "a list" if isinstance(owner, list | tuple) else "this value"), []


def _reason(error: BaseException) -> str:
    text = str(error).split("\n")[0].strip() or type(error).__name__
    if isinstance(error, KeyError):
        return f"there is no key {text}"
    if isinstance(error, SyntaxError):
        return f"Python cannot run it ({error.msg})"
    return text.rstrip(".")


def sentence(text: str | None) -> str:
    """The text with a capital letter and a full stop."""
    text = (text or "this template cannot be read").strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _syntax(error: TemplateSyntaxError, environment: TemplateEnvironment, path: str, source: str) -> ProjectError:
    message = error.message or ""
    if message.startswith("Unexpected end of template"):
        found = environment.unclosed(path)
        if found:  # where a block began says more than where Jinja gave up
            offset, word = found
            where = place_in(source, path, offset, len(source[offset:].split("\n", 1)[0].split("%}", 1)[0]) + 2)
            return ProjectError(
                "template-syntax", f"This {{% {word} %}} is never closed.", where, f"add {{% end{word} %}}."
            )
    where = place_in(source, path, error.lineno)
    return ProjectError("template-syntax", sentence(_AT.sub("", message)), where, _syntax_hint(message))


_AT = re.compile(r" at \d+$")


def _syntax_hint(message: str) -> str | None:
    if "ncountered unknown tag" in message:
        return "sqlfeat reads Jinja's own tags: for, if, set, macro, call, filter, raw, do, break, continue."
    if "expected token 'end of print statement'" in message:
        return "one expression stands between {{ and }}: is a comma, an operator or a quote missing?"
    return None
