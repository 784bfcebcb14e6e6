"""The Jinja sandbox that templates are rendered in.

It differs from Jinja's own in four ways. Every node of a template knows its offset in the file rather than its line,
every piece of output its origin (``source_map``). Objects of ours are facades: only the names that they list can be
read. Loops are bounded by time, sizes by ``limits``. What is random or of the clock is not there. What it renders is
ordinary text.

The trick behind the first: the lexer's line numbers are replaced by offsets before Jinja's parser sees them.
"""

from __future__ import annotations

import bisect
import functools
import re
import sys
import time
from collections.abc import Iterator, Mapping
from types import CodeType, FrameType, TracebackType
from typing import Any, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.ext import Extension
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from sqlfeat.compiler import limits
from sqlfeat.compiler.source_map import Fragment, Origin, Span, called_from, concatenate

RENDER_SECONDS = 20.0
MOST_OUTPUT = 50_000_000
"""How many characters one rendering may put out, those of macros and blocks counted each time they pass."""
_WEIGHT_OF_ORIGIN = 500
"""What the memory of where a stretch came from counts like."""
_LINE_ENDS = re.compile(r"\r\n|\r")
_TAG = re.compile(r"\{%[-+]?\s*(\w+)")
_BLOCKS = frozenset({"if", "for", "macro", "call", "filter", "test", "data_test", "materialization"})
_NOT_THE_SAME_AGAIN = ("lipsum", "random", "urlize")


class Facade:
    """An object of ours in a template's hands: only the attributes named in ``allowed`` can be read."""

    allowed: frozenset[str] = frozenset()


class NotThere(UndefinedError):
    """A name that is not defined, or that its ``owner`` does not have."""

    def __init__(self, message: str, name: str, owner: Any) -> None:
        super().__init__(message)
        self.name = name
        self.owner = owner


class Missing(StrictUndefined):
    """What Jinja gives for a name that is not there; whoever uses it raises :class:`NotThere`."""

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError
    ) -> None:
        if hint is None and exc is UndefinedError:
            exc = functools.partial(NotThere, name=str(name), owner=None if obj is missing else obj)
        super().__init__(hint, obj, name, exc)


class _DbtBlocks(Extension):
    """dbt's blocks: ``{% test name(model) %}`` is the macro ``test_name``; a materialization is read and left out."""

    tags = frozenset({"test", "data_test", "materialization"})  # type: ignore[assignment]

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        begins = next(parser.stream)
        if begins.value == "materialization":
            while parser.stream.current.type != "block_end":
                next(parser.stream)
            parser.parse_statements(("name:endmaterialization",), drop_needle=True)
            return []
        macro = nodes.Macro(lineno=begins.lineno)
        macro.name = f"test_{parser.parse_assign_target(name_only=True).name}"
        parser.parse_signature(macro)
        macro.body = parser.parse_statements((f"name:end{begins.value}",), drop_needle=True)
        return macro


def _as_bool(value: Any) -> Any:
    """dbt's filter: what a text says; another value is itself."""
    return {"true": True, "false": False}.get(value.strip().lower(), value) if isinstance(value, str) else value


def _as_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and "." in value else int(value) if isinstance(value, str) else value


def _as_itself(value: Any) -> Any:
    return value


_DBT_FILTERS = {"as_bool": _as_bool, "as_number": _as_number, "as_native": _as_itself, "as_text": str}
_COMPILED: dict[tuple[str, str], tuple[CodeType, tuple[tuple[int, int], ...]]] = {}
"""Templates compiled by this process, by path and text: compiling one costs sixty times as much as rendering it."""


class TemplateEnvironment(SandboxedEnvironment):
    """One project's sandbox. ``sources`` holds every template's text by its path.

    ``lenient`` is how dbt reads: what a plain mapping or list does not have is nothing, and no mistake.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(concatenate)

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        super().__init__(
            undefined=Missing,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _DbtBlocks],
            autoescape=False,
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.sources: dict[str, str] = {}
        self.deadline = float("inf")
        self.put_out = 0
        for name in _NOT_THE_SAME_AGAIN:
            self.globals.pop(name, None)
            self.filters.pop(name, None)
        self.filters.update(_DBT_FILTERS)
        for kind in (self.filters, self.tests):
            for name, made in list(kind.items()):
                kind[name] = limits.guarded(name, made, self.check_time)
        self._expressions: dict[str, list[tuple[int, int]]] = {}

    def load(self, path: str, text: str) -> Template:
        """Compile a template; raises :class:`TemplateSyntaxError` whose ``lineno`` is an *offset*."""
        source = _LINE_ENDS.sub("\n", text)
        self.sources[path] = source
        self._begin()
        if (path, source) not in _COMPILED:
            code = super().compile(source, name=path, filename=path)
            _COMPILED[path, source] = (code, tuple(self._expressions.get(path, ())))
        code, extents = _COMPILED[path, source]
        self._expressions[path] = list(extents)
        return self.template_class.from_code(self, code, {}, None)

    def render(self, template: Template, namespace: dict[str, Any]) -> Fragment:
        """Render with ``namespace`` as the live globals: macros see later changes of it."""
        self._begin()
        context = template.new_context(namespace, shared=True)
        return concatenate(template.root_render_func(context))

    def module(self, template: Template, namespace: dict[str, Any]) -> Mapping[str, Any]:
        """The macros that a file defines."""
        self._begin()
        context = template.new_context(namespace, shared=True)
        concatenate(template.root_render_func(context))
        return {name: value for name, value in context.vars.items() if isinstance(value, Macro)}

    def sites_of(self, traceback: TracebackType | None) -> tuple[Origin, ...]:
        """The expressions that a traceback passes through, innermost first."""
        found = []
        while traceback is not None:
            found += self._site(traceback.tb_frame, traceback.tb_lineno)
            traceback = traceback.tb_next
        return tuple(found[::-1])

    def sites(self) -> tuple[Origin, ...]:
        """The expressions that are being evaluated now, innermost first."""
        found: list[Origin] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            found += self._site(frame, frame.f_lineno)
            frame = frame.f_back
        return tuple(found)

    def _site(self, frame: FrameType, line: int) -> list[Origin]:
        template = frame.f_globals.get("__jinja_template__")
        if not isinstance(template, Template) or template.name not in self.sources:
            return []
        start, end = self.expression_at(template.name, template.get_corresponding_lineno(line))
        return [Origin(template.name, start, end, verbatim=False)]

    def expression_at(self, template: str, offset: int) -> tuple[int, int]:
        """The extent of the ``{{ … }}`` or ``{% … %}`` that holds an offset."""
        extents = self._expressions.get(template, [])
        index = bisect.bisect_right(extents, (offset, len(self.sources[template]) + 1)) - 1
        if index < 0 or extents[index][1] <= offset:
            return offset, offset + 1
        return extents[index]

    def _begin(self) -> None:
        self.deadline = time.monotonic() + RENDER_SECONDS
        self.put_out = 0

    def unclosed(self, template: str) -> tuple[int, str] | None:
        """The offset and the word of the innermost block that is never closed."""
        open_blocks: list[tuple[int, str]] = []
        for start, end in self._expressions.get(template, []):
            text = self.sources[template][start:end]
            match = _TAG.match(text)
            if match and match[1].startswith("end"):
                open_blocks = open_blocks[:-1]
            elif match and (match[1] in _BLOCKS or (match[1] == "set" and "=" not in text)):
                open_blocks.append((start, match[1]))
        return open_blocks[-1] if open_blocks else None

    # -- what Jinja calls ------------------------------------------------------------------------------------------

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        positioned = self._positioned(source, name, filename, state)
        stream = TokenStream(self.lexer.wrap(positioned, name, filename), name, filename)
        for extension in self.iter_extensions():
            filtered = extension.filter_stream(stream)
            stream = filtered if isinstance(filtered, TokenStream) else TokenStream(filtered, name, filename)
        return stream

    def _positioned(
        self, source: str, name: str | None, filename: str | None, state: str | None
    ) -> Iterator[tuple[int, str, str]]:
        """The lexer's tokens, each with its offset where its line number was."""
        position, begin = 0, 0
        extents = self._expressions.setdefault(name or "", [])
        extents.clear()
        try:
            for _, token, text in self.lexer.tokeniter(source, name, filename, state):
                found = source.find(text, position)
                position = found if found >= 0 else position
                if token in ("variable_begin", "block_begin"):
                    begin = position
                elif token in ("variable_end", "block_end"):
                    extents.append((begin, position + len(text.rstrip())))
                yield position, token, text
                position += len(text)
        except TemplateSyntaxError as error:
            lines = source.split("\n")
            begun = sum(len(line) + 1 for line in lines[: error.lineno - 1])
            raise TemplateSyntaxError(error.message or "", max(begun, position), name, filename) from error

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return _Marker(self, name or "").visit(tree)  # type: ignore[no-any-return]

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._nothing(obj, attribute, super().getattr(obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._nothing(obj, argument, super().getitem(obj, argument))

    def _nothing(self, obj: Any, name: Any, found: Any) -> Any:
        if self.lenient and isinstance(found, Missing) and isinstance(obj, dict | list | tuple | str):
            return Undefined(obj=obj, name=str(name))
        return found

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, Facade):
            return attr in obj.allowed
        return super().is_safe_attribute(obj, attr, value)

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        self.check_time()
        limits.before_call(obj, [*args, *kwargs.values()])
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        asked = {"+": limits.add, "*": limits.multiply, "**": limits.power, "%": limits.interpolate}
        asked[operator](left, right)
        return super().call_binop(context, operator, left, right)

    # -- what marked templates call --------------------------------------------------------------------------------

    def mark_data(self, template: str, offset: int, text: str) -> Fragment:
        self._count(text)
        origin = Origin(template, offset, offset + len(text), verbatim=True)
        return Fragment(text, (Span(0, len(text), origin),) if text else ())

    def mark_value(self, template: str, offset: int, value: Any) -> Fragment:
        self.check_time()
        start, end = self.expression_at(template, offset)
        site = Origin(template, start, end, verbatim=False)
        if isinstance(value, Fragment):
            self._count(value)
            return called_from(value, site)
        limits.printed(value)
        text = str(value)
        self._count(text)
        return Fragment(text, (Span(0, len(text), site),) if text else ())

    def joined(self, *values: Any) -> str:
        """What ``~`` gives."""
        limits.join_texts(values)
        return "".join(str(value) for value in values)

    def _count(self, text: str) -> None:
        self.put_out += len(text) + (_WEIGHT_OF_ORIGIN * len(text.spans) if isinstance(text, Fragment) else 0)
        if self.put_out > MOST_OUTPUT:
            raise limits.TooLarge(f"this template puts out more than {MOST_OUTPUT:,} characters")

    def check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise SecurityError(f"this template has been rendering for {RENDER_SECONDS:.0f} seconds")


class _Marker(NodeTransformer):
    """Wraps every piece of output so that it knows its origin, and every loop so that it ends."""

    def __init__(self, environment: TemplateEnvironment, template: str) -> None:
        self.environment = environment
        self.template = template

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802  # Jinja's name
        marked: list[nodes.Expr] = []
        for child in node.nodes:
            offset = child.lineno
            if isinstance(child, nodes.TemplateData):
                arguments: list[nodes.Expr] = [nodes.Const(child.data, lineno=offset)]
                marked.append(self._call("mark_data", offset, arguments))
            else:
                value: nodes.Expr = self.visit(child)
                marked.append(self._call("mark_value", offset, [value]))
        return nodes.Output(marked, lineno=node.lineno)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802  # Jinja's name
        self.generic_visit(node)
        return self._method("joined", node.lineno, list(node.nodes))

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  # Jinja's name
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(self._method("check_time", node.lineno, []), lineno=node.lineno))
        return node

    def _call(self, method: str, offset: int, arguments: list[nodes.Expr]) -> nodes.Expr:
        constants: list[nodes.Expr] = [nodes.Const(self.template, lineno=offset), nodes.Const(offset, lineno=offset)]
        return self._method(method, offset, constants + arguments)

    def _method(self, method: str, offset: int, arguments: list[nodes.Expr]) -> nodes.Expr:
        target = nodes.EnvironmentAttribute(method, lineno=offset)
        call = nodes.Call(target, arguments, [], None, None, lineno=offset)
        return cast(nodes.Expr, call.set_environment(self.environment))
