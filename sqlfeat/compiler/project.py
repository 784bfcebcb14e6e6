"""A project's texts to its :class:`Manifest`: render, order, bind, plan, fingerprint.

Pure: what must be known of the world comes through a ``Catalog``. Errors are collected; those of a template end the
compilation (without its references there is no graph), those of a model's SQL stop only whoever needs that model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlfeat.base.files import sha256_text
from sqlfeat.base.names import did_you_mean
from sqlfeat.compiler import fingerprint
from sqlfeat.compiler.assumptions import Assumptions
from sqlfeat.compiler.bind import Binder, bind_test
from sqlfeat.compiler.catalog import Catalog, SqlProblem
from sqlfeat.compiler.data_tests import generic_test, singular_test, with_unique_rows
from sqlfeat.compiler.facades import Answer, Relation
from sqlfeat.compiler.graph import Graph, Node
from sqlfeat.compiler.manifest import Column, CompiledModel, CompiledTest, Manifest, TimeFacts
from sqlfeat.compiler.mistakes import Misplaced
from sqlfeat.compiler.references import References
from sqlfeat.compiler.rewriting import ref_token, source_token
from sqlfeat.compiler.source_map import place_in, place_of
from sqlfeat.compiler.template import Renderer, Rendering
from sqlfeat.compiler.time import facts_of_source
from sqlfeat.errors import Place, ProjectError, ProjectErrors, SqlfeatError
from sqlfeat.spec.config import Layer, ModelConfig, merge_config
from sqlfeat.spec.problems import Problems
from sqlfeat.spec.project import ColumnSpec, ModelFile, ProjectSpec, TestSpec


@dataclass(frozen=True)
class World:
    """What a compilation is told from outside: variables, the environment, the target as templates see it."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    log: Callable[[str], None] = lambda text: None
    translated: Callable[[str], str] = lambda text: text
    """How a rendered text is read that is not written for DuckDB; places in it are then those of the translation."""


def compile_project(spec: ProjectSpec, world: World, catalog: Catalog | None) -> Manifest:
    """Compile a whole project; without a catalog only as far as text goes (names, order, config).

    Raises:
        ProjectError, ProjectErrors: templates, references or config that cannot be meant.
    """
    return Compilation(spec, world).manifest(catalog)


class Compilation:
    """A project: rendered once, and bound as often as a manifest is asked for."""

    def __init__(self, spec: ProjectSpec, world: World) -> None:
        self.spec = spec
        self.catalog: Catalog | None = None
        self.renderer = Renderer(
            spec.macros,
            variables=world.variables,
            environment=world.environment,
            target=world.target,
            project=spec.name,
            log=world.log,
            lenient=spec.is_dbt,
            relations=_relations(spec),
        )
        self._world = world
        self._unread: dict[str, SqlfeatError] = {}
        self.assumed: dict[str, frozenset[str]] = {}
        self.renderings: dict[str, Rendering] = {}
        self.models: dict[str, CompiledModel] = {}
        self.tests: dict[str, CompiledTest] = {}
        self.columns: dict[str, tuple[Column, ...]] = {}
        self.source_time: dict[str, TimeFacts] = {}
        self.fingerprints: dict[str, str] = {}
        self.errors: dict[str, SqlfeatError] = {}
        self.sources = {table.id: table for table in spec.sources.values()}
        self.broken: set[str] = set()
        self.references = References(spec, self.models, self.broken, self.renderer.templates)
        self._rendered: tuple[dict[str, CompiledModel], dict[str, CompiledTest], Graph] | None = None

    def manifest(self, catalog: Catalog | None = None, nodes: Collection[str] | None = None) -> Manifest:
        """The project bound to what a catalog knows; without one as far as text goes.

        With ``nodes`` only these are bound, which must be all that they are made from.

        Raises:
            ProjectError, ProjectErrors: templates, references or config that cannot be meant.
        """
        if self._rendered is None:
            self._render_all()
            graph = Graph(self._nodes())
            self._refuse_cycles(graph)
            self._rendered = (self.models, self.tests, graph)
        models, tests, graph = self._rendered
        self.catalog, self.models, self.tests = catalog, dict(models), dict(tests)
        self.columns, self.source_time, self.fingerprints, self.assumed = {}, {}, {}, {}
        self.errors = dict(self._unread)
        wanted = [node for node in graph.order() if nodes is None or node in nodes]
        for node in wanted:
            if node in self.errors:
                continue
            if not any(parent in self.errors for parent in self._parents(node)):
                self._bind(node)
            elif node.startswith("model."):
                self.errors.setdefault(node, self.errors[next(p for p in self._parents(node) if p in self.errors)])
        if catalog is not None and self.spec.is_dbt:
            self._assume([node for node in wanted if node in self.errors], catalog)
        self.tests = with_unique_rows(self.tests, self.models.values())
        return Manifest(
            project=self.spec.name,
            models=self.models,
            sources=self.sources,
            source_time=self.source_time,
            columns=self.columns,
            seeds={seed.id: seed for seed in self.spec.seeds.values()},
            tests=self.tests,
            graph=Graph(self._nodes()),
            templates=self.renderer.templates,
            fingerprints=self.fingerprints,
            errors=self.errors,
            assumed=self.assumed,
        )

    # -- templates -------------------------------------------------------------------------------------------------

    def _render_all(self) -> None:
        """Render every model and name its parents; all that is wrong with templates and names is raised at once."""
        problems = Problems()
        for file in self.spec.models.values():
            self.broken.add(file.name)
            rendering = None
            try:
                rendering = self.renderer.render(file.path, file.text, name=file.name)
                config, places = self._config(file, rendering)
                if config.enabled:
                    self.renderings[file.name] = rendering
                    self.models[file.name] = self._compiled(file, rendering, config, places)
                if file.unread:
                    what = f"sqlfeat does not make {file.name!r}: {file.unread}."
                    self._unread[file.id] = ProjectError("not-supported", what, Place(file.path))
                self.broken.discard(file.name)
            except ProjectError as error:
                if self.spec.is_dbt:  # of a dbt project everything else can be worked with
                    self._set_aside(file, rendering or self.renderer.current, error)
                else:
                    problems.add(error)
        for name, model in self.models.items():
            try:
                parents = self.references.parents(self.renderings[name], name)
            except ProjectError as error:
                parents = self.references.known_parents(self.renderings[name], name)
                if self.spec.is_dbt:
                    self._unread.setdefault(model.id, error)
                else:
                    problems.add(error)
            self.models[name] = replace(model, parents=parents)
        self._refuse_same_relation(problems)
        with problems.collected():
            self._compile_tests()
        problems.raise_if_any()

    def _set_aside(self, file: ModelFile, rendering: Rendering, error: ProjectError) -> None:
        """A model that cannot be rendered, with an error of its own; what it refers to is known as far as it came."""
        if rendering.config.get("enabled") is False:
            self.broken.discard(file.name)
            return
        self.renderings[file.name] = rendering
        self.models[file.name] = replace(self._compiled(file, rendering, ModelConfig(), {}), deferred=True)
        self._unread[file.id] = error
        self.broken.discard(file.name)

    def _refuse_same_relation(self, problems: Problems) -> None:
        """Two models, or a model and a seed, that would be read under one name."""
        taken: dict[tuple[str, str], str] = {("", seed.casefold()): seed for seed in self.spec.seeds}
        for name, model in self.models.items():
            if model.materialized in ("ephemeral", "training_set"):
                continue
            shown = (model.config.schema or "", (model.config.alias or name).casefold())
            if shown in taken:
                what = f"{name} and {taken[shown]} would both be called {model.config.alias or name!r} in the target."
                where = model.place("alias" if model.config.alias else "schema")
                problems.add(ProjectError("duplicate-alias", what, where, "give one of them another alias or schema."))
            taken[shown] = name

    def _config(self, file: ModelFile, rendering: Rendering) -> tuple[ModelConfig, Mapping[str, Place]]:
        templates = self.renderer.templates
        first = place_in(templates[file.path], file.path, 0)
        written = {key: place_of(sites, templates, key) for key, sites in rendering.configured.items()}
        layers = [Layer(file.folder_config, file.folder_places, first)]
        if file.properties:
            layers.append(Layer(file.properties.config, file.properties.config_places, file.properties.place))
        called = place_of(next(iter(rendering.configured.values())), templates, "config") if written else first
        layers.append(Layer(rendering.config, written, called))
        config = merge_config(layers, lenient=self.spec.is_dbt)
        places: dict[str, Place] = {}
        for layer in layers:
            places |= {key.removeprefix("+"): place for key, place in layer.places.items()}
        return config, places

    def _compiled(
        self, file: ModelFile, rendering: Rendering, config: ModelConfig, places: Mapping[str, Place]
    ) -> CompiledModel:
        if file.properties and file.properties.description and not config.description:
            config = replace(config, description=file.properties.description)
        return CompiledModel(
            name=file.name,
            path=file.path,
            config=self._with_hooks(file, config, places),
            places=places,
            sql=self._world.translated(str.__str__(rendering.text)),
            source_map=rendering.source_map(self.renderer.templates),
            parents=(),
            keys=self._entity_keys(file, config, places),
            windows=tuple(rendering.windows),
            features=tuple(rendering.features),
            transforms=tuple(rendering.transforms),
            sites={**rendering.sites, **{f"ref.{name}": sites for name, sites in rendering.refs.items()}},
            deferred=rendering.asked,
        )

    def _with_hooks(self, file: ModelFile, config: ModelConfig, places: Mapping[str, Place]) -> ModelConfig:
        """The config with its hooks rendered: they are templates too, and may name ``this`` and other models."""
        rendered: dict[str, tuple[str, ...]] = {}
        for key in ("pre_hook", "post_hook"):
            texts = []
            for text in getattr(config, key):
                try:
                    hook = self.renderer.render(f"{file.path} ({key})", text, name=file.name)
                except ProjectError as error:
                    error.where = places.get(key) or places.get(key.replace("_", "-")) or Place(file.path)
                    raise
                texts.append(str.__str__(hook.text))
            rendered[key] = tuple(text for text in texts if text.strip())
        return replace(config, pre_hook=rendered["pre_hook"], post_hook=rendered["post_hook"])

    def _entity_keys(self, file: ModelFile, config: ModelConfig, places: Mapping[str, Place]) -> tuple[str, ...]:
        if config.entity is None:
            return ()
        if config.entity not in self.spec.entities:
            hint = did_you_mean(config.entity, self.spec.entities) or "declare it under `entities:` with its keys."
            where = places.get("entity") or Place(file.path)
            raise ProjectError("unknown-entity", f"There is no entity {config.entity!r}.", where, hint)
        return self.spec.entities[config.entity].keys

    # -- tests -----------------------------------------------------------------------------------------------------

    def _compile_tests(self) -> None:
        problems = Problems()
        for owner, token, columns, tests in self._tested():
            for spec in (*tests, *(test for column in columns for test in column.tests)):
                with problems.collected():
                    self._generic(spec, owner, token)
        for file in self.spec.singular_tests:
            with problems.collected():
                rendering = self.renderer.render(file.path, file.text, name=file.name)
                test = singular_test(
                    file.name, file.path, rendering.text, rendering.config,
                    self.references.parents(rendering, file.name), rendering.source_map(self.renderer.templates),
                )  # fmt: skip
                if test is not None:
                    self._refuse_second(test)
                    self.tests[test.name] = test
        try:
            problems.raise_if_any()
        except ProjectError as error:
            if not self.spec.is_dbt:
                raise
            for each in error.errors if isinstance(error, ProjectErrors) else (error,):
                self._world.log(f"{each.where}: {each.what} The test is left out.")
        self.tests = with_unique_rows(self.tests, self.models.values())

    def _refuse_second(self, test: CompiledTest) -> None:
        first = self.tests.get(test.name)
        if first is not None and first.source_map is not None:
            what = f"There are two tests named {test.name!r}; the other is {first.path}."
            raise ProjectError("duplicate-test", what, Place(test.path), "rename one of the files.")

    def _tested(self) -> list[tuple[str, str, tuple[ColumnSpec, ...], tuple[TestSpec, ...]]]:
        tested = []
        for name in self.models:
            properties = self.spec.models[name].properties
            if properties:
                tested.append((f"model.{name}", ref_token(name), properties.columns, properties.tests))
        for seed in self.spec.seeds.values():
            if seed.properties:
                tested.append((seed.id, ref_token(seed.name), seed.properties.columns, seed.properties.tests))
        for table in self.sources.values():
            tested.append((table.id, source_token(table.source, table.name), table.columns, table.tests))
        return tested

    def _generic(self, spec: TestSpec, owner: str, token: str) -> None:
        short = owner.split(".", 1)[1].replace(".", "_")
        name, sql, others = generic_test(spec, short, token)
        parents = [owner]
        for other in others:
            known = other in self.sources
            parents.append(other if known else self.references.node(other.split(".", 1)[1], spec.place))
        if name in self.tests and self.tests[name].sql != sql:
            name = f"{name}_{sha256_text(sql)[:8]}"
        self.tests[name] = CompiledTest(name, sql, tuple(parents), spec, spec.place.file)

    # -- the graph -------------------------------------------------------------------------------------------------

    def _nodes(self) -> list[Node]:
        nodes = [
            Node(table.id, f"{table.source}.{table.name}", "source", (), table.place.file, table.tags)
            for table in self.sources.values()
        ]
        nodes += [Node(seed.id, seed.name, "seed", (), seed.path) for seed in self.spec.seeds.values()]
        for model in self.models.values():
            config = model.config
            kind = "training_set" if config.materialized == "training_set" else "model"
            nodes.append(
                Node(
                    model.id, model.name, kind, model.parents, model.path, config.tags, config.materialized,
                    config.entity or "",
                )
            )  # fmt: skip
        nodes += [
            Node(test.id, test.name, "test", test.parents, test.path, test.spec.tags if test.spec else ())
            for test in self.tests.values()
        ]
        return nodes

    def _refuse_cycles(self, graph: Graph) -> None:
        cycle = graph.cycle()
        if not cycle:
            return
        names = [node.split(".", 1)[1] for node in cycle]
        second = names[1 % len(names)]
        where = place_of(self.renderings[names[0]].refs[second], self.renderer.templates, second)
        around = " → ".join([*names, names[0]])
        raise ProjectError("cyclic-refs", f"These models refer to each other in a circle: {around}.", where)

    def _parents(self, node: str) -> tuple[str, ...]:
        if node.startswith("model."):
            return self.models[node.removeprefix("model.")].parents
        if node.startswith("test."):
            return self.tests[node.removeprefix("test.")].parents
        return ()

    # -- columns, plans, fingerprints ------------------------------------------------------------------------------

    def _bind(self, node: str) -> None:
        kind, name = node.split(".", 1)
        try:
            if kind == "source":
                self._bind_source(node)
            elif kind == "seed":
                self._bind_seed(name)
            elif kind == "model":
                self._bind_model(self.models[name])
            elif self.catalog is not None:
                self.tests[name] = bind_test(self.tests[name], self.catalog)
        except SqlfeatError as error:
            self.errors[node] = error

    def _bind_source(self, node: str) -> None:
        table = self.sources[node]
        if self.catalog is None:
            time = TimeFacts(table.event_time, table.available_at, table.available_after, immutable=table.immutable)
        else:
            self.columns[node] = self.catalog.source_columns(table)
            self.catalog.declare(node, self.columns[node])
            time = facts_of_source(table, self.columns[node])
            _check_described(table.columns, self.columns[node], node)
        self.source_time[node] = time
        self.fingerprints[node] = fingerprint.of_source(table, time)

    def _bind_seed(self, name: str) -> None:
        seed = self.spec.seeds[name]
        if self.catalog is not None:
            self.columns[seed.id] = self.catalog.seed_columns(seed)
            self.catalog.declare(f"ref.{name}", self.columns[seed.id])
        self.fingerprints[seed.id] = fingerprint.of_seed(seed)

    def _bind_model(self, model: CompiledModel) -> None:
        if self.catalog is not None:
            binder = Binder(self.catalog, self.models, self.source_time, self.columns, self.references.calls)
            model = self._second_pass(model, self.catalog)
            model = binder.bind(model)
            self.columns[model.id] = model.columns
            self.catalog.declare(f"ref.{model.name}", model.columns)
            properties = self.spec.models[model.name].properties
            if properties:
                _check_described(properties.columns, model.columns, model.id)
        parents = {parent: self.fingerprints.get(parent, "") for parent in model.parents}
        mark = fingerprint.of_model(model, parents, model.keys)
        self.models[model.name] = replace(model, fingerprint=mark)
        self.fingerprints[model.id] = mark

    def _second_pass(self, model: CompiledModel, catalog: Catalog) -> CompiledModel:
        """Render again with ``execute`` true; as long as an asked relation is not built, the first text stands."""
        if not model.deferred:
            return model

        def ask(sql: str) -> Answer:
            try:
                return catalog.query(sql)
            except SqlProblem as problem:
                if problem.kind == "unbuilt":
                    raise
                what = f"The query of run_query fails: {problem.what}."
                raise Misplaced("run-query-failed", what, "run_query") from problem

        try:
            return self._rendered_with(model, ask)
        except SqlProblem:
            return model

    def _rendered_with(self, model: CompiledModel, ask: Callable[[str], Answer]) -> CompiledModel:
        """The model rendered with answers, and with the columns of relations as far as they are known by now."""
        file = self.spec.models[model.name]
        rendering = self.renderer.render(file.path, file.text, name=file.name, query=ask, columns=self._columns_of)
        config, places = self._config(file, rendering)
        parents = self.references.parents(rendering, model.name)
        return replace(self._compiled(file, rendering, config, places), parents=parents, deferred=True)

    def _columns_of(self, node: str) -> Sequence[tuple[str, str]] | None:
        own = self.columns.get(self.references.id_of(node))
        if own == ():
            name = node.split(".", 1)[1]
            what = f"This template asks for the columns of {name}, which nobody says."
            raise Misplaced("run-query-failed", what, name, "describe them in its .yml, with their types.")
        return None if own is None else [(column.name, column.type) for column in own]

    def _assume(self, nodes: Sequence[str], catalog: Catalog) -> None:
        """Columns for the nodes with errors, as far as these can be told."""

        def without_answers(model: CompiledModel) -> CompiledModel:
            def ask(sql: str) -> Answer:
                try:
                    return catalog.query(sql)
                except (SqlProblem, SqlfeatError):
                    return Answer((), ())

            try:
                return self._rendered_with(model, ask) if model.deferred else model
            except ProjectError as error:
                if model.id not in self._unread:
                    self.errors[model.id] = error  # its own, and not that of what it is made from
                return replace(model, sql="")

        assumptions = Assumptions(self.spec, self.models, self.columns, self.references.id_of)
        self.assumed = assumptions.fill(nodes, without_answers)


def _relations(spec: ProjectSpec) -> dict[str, Relation]:
    """What lies under which name in the database, in lower case: models and seeds before sources."""
    found = {}
    for table in spec.sources.values():
        schema, _, identifier = table.location.rpartition(".") if table.format == "duckdb" else ("", "", table.name)
        relation = Relation(source_token(table.source, table.name), identifier, schema or table.source)
        found[identifier.casefold()] = relation
    for name in (*spec.seeds, *spec.models):
        found[name.casefold()] = Relation(ref_token(name), name, "")
    return found


def _check_described(described: tuple[ColumnSpec, ...], columns: tuple[Column, ...], node: str) -> None:
    """A column that a .yml tests must be there: otherwise its test would fail for the wrong reason."""
    known = {column.name.casefold() for column in columns}
    for column in described:
        if column.tests and column.name.casefold() not in known:
            hint = did_you_mean(column.name, [c.name for c in columns])
            owner = node.split(".", 1)[1]
            raise ProjectError("missing-column", f"{owner} has no column {column.name!r}.", column.place, hint)
