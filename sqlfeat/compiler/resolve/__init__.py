"""SQL text to :mod:`sqlfeat.compiler.algebra`: every name resolved, or :class:`Unresolved` raised."""

from __future__ import annotations

from sqlfeat.compiler.resolve.entry import resolve
from sqlfeat.compiler.resolve.errors import Unresolved
from sqlfeat.compiler.resolve.nodes import type_of

__all__ = ["Unresolved", "resolve", "type_of"]
