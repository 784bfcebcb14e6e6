"""Errors that are collected while a project is read, so that one pass shows them all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlfeat.errors import ProjectError, ProjectErrors


class Problems:
    """The errors found so far.

    ``lenient`` is how a dbt project is read: keys that sqlfeat does not know are no mistakes there, and what it
    cannot do is left out and said so in ``left_out`` instead of refused.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient
        self.left_out: list[str] = []
        self._errors: list[ProjectError] = []

    def add_unless_lenient(self, error: ProjectError) -> None:
        """Note an error, or in a dbt project that this thing is left out."""
        if self.lenient:
            self.left_out.append(f"{error.where}: {error.what}" if error.where else error.what)
        else:
            self.add(error)

    def add(self, error: ProjectError) -> None:
        """Note an error; several in one are noted one by one, the same one only once."""
        for single in error.errors if isinstance(error, ProjectErrors) else (error,):
            if not any(_alike(single, known) for known in self._errors):
                self._errors.append(single)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """What the block raises is noted, and life goes on after it."""
        try:
            yield
        except ProjectError as error:
            self.add(error)

    def raise_if_any(self) -> None:
        """Raise what was found: the one error itself, or all of them together."""
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise ProjectErrors(self._errors)


def _alike(one: ProjectError, other: ProjectError) -> bool:
    return (one.code, one.what, one.where) == (other.code, other.what, other.where)
