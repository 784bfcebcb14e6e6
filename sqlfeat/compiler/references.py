"""What the names in ``ref()``, ``source()`` and ``feature()`` mean, and what is wrong where they mean nothing.

It knows the nodes of a project and the sites of the calls; what the nodes are made of is no concern of it.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence

from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler.source_map import Origin, place_of
from sqlfeat.compiler.template import Rendering
from sqlfeat.errors import Place, ProjectError
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import ProjectSpec


class References:
    """A project's names. ``models`` are the enabled ones; ``broken`` those whose templates could not be rendered."""

    def __init__(
        self, spec: ProjectSpec, models: Collection[str], broken: Collection[str], templates: Mapping[str, str]
    ) -> None:
        self._spec = spec
        self._models = models
        self._broken = broken
        self._templates = templates

    def parents(self, rendering: Rendering, own: str) -> tuple[str, ...]:
        """The ids of what a rendering refers to; ``own`` is the name of the file.

        Raises:
            ProjectError, ProjectErrors: names that mean nothing, each at the place of its first call.
        """
        problems = Problems()
        parents = []
        for name, sites in rendering.refs.items():
            with problems.collected():
                parents.append(self._ref(name, sites, rendering, own))
        for (source, table), sites in rendering.sources.items():
            with problems.collected():
                parents.append(self._source(source, table, sites))
        problems.raise_if_any()
        return tuple(parents)

    def known_parents(self, rendering: Rendering, own: str) -> tuple[str, ...]:
        """The ids of those that there are."""
        known = {*self._models, *self._broken, *self._spec.seeds}
        refs = [self.node(name, None, own) for name in rendering.refs if name in known]
        return (*refs, *(f"source.{of}.{name}" for of, name in rendering.sources if (of, name) in self._spec.sources))

    def id_of(self, reference: str) -> str:
        """The id of the node that ``ref.NAME`` or ``source.SOURCE.TABLE`` means."""
        kind, name = reference.split(".", 1)
        if kind != "ref":
            return reference
        return f"model.{name}" if name in self._models else f"seed.{name}"

    def node(self, name: str, where: Place | None, own: str = "") -> str:
        """The id of the model or seed of a name."""
        if name in self._models or name in self._broken:
            return f"model.{name}"
        if name in self._spec.seeds:
            return f"seed.{name}"
        if name in self._spec.models:
            raise ProjectError("disabled-ref", f"The model {name!r} is disabled.", where, "enable it, or ask another.")
        known = {*self._models, *self._broken, *self._spec.seeds} - {own}
        raise ProjectError("unknown-ref", f"There is no model {name!r}.", where, did_you_mean(name, known))

    @functools.cached_property
    def calls(self) -> dict[str, str]:
        """How a template names each relation, by the bare name of it."""
        sources = {table: f"source({source!r}, {table!r})" for source, table in self._spec.sources}
        return {**sources, **{name: f"ref({name!r})" for name in (*self._spec.seeds, *self._models)}}

    def _ref(self, name: str, sites: Sequence[Origin], rendering: Rendering, own: str) -> str:
        where = place_of(sites, self._templates, name) if sites else None
        try:
            return self.node(name, where, own)
        except ProjectError as error:
            if error.code == "unknown-ref" and any(call.view == name for call in rendering.features):
                error.code, error.what = "unknown-feature-view", f"There is no feature view {name!r}."
            raise

    def _source(self, source: str, table: str, sites: Sequence[Origin]) -> str:
        if (source, table) in self._spec.sources:
            return f"source.{source}.{table}"
        known = sorted({of for of, _ in self._spec.sources})
        if source not in known:
            what = f"There is no source {source!r}."
            mend = did_you_mean(source, known) or "declare it under `sources:` in a .yml file."
            raise ProjectError("unknown-source", what, place_of(sites, self._templates, source), mend)
        what = f"The source {source!r} has no table {table!r}."
        hint = did_you_mean(table, [name for of, name in self._spec.sources if of == source])
        raise ProjectError("unknown-source", what, place_of(sites, self._templates, table), hint)
