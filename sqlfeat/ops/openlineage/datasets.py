"""What a project reads and writes as OpenLineage names it: sources, tables, training sets, versions, online views.

Names follow OpenLineage's conventions: a file is ``file`` and its path, a table of DuckDB its file and
``schema.table``, an object its bucket and key. Column lineage is the project's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlfeat.base.withheld import without_password
from sqlfeat.compiler.lineage import Lineage
from sqlfeat.compiler.manifest import CompiledModel
from sqlfeat.engine.duckdb.naming import public_name
from sqlfeat.ops.openlineage.events import Dataset, Facets, column_lineage, facet, schema, statistics
from sqlfeat.ops.session import Session
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.training_set import TrainingSet

Told = dict[str, Any]


class Datasets:
    """The datasets of a session's project."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._manifest = session.manifest
        self._lineage = Lineage(self._manifest)

    def model(self, name: str) -> CompiledModel:
        return self._manifest.models[name]

    def of_node(self, node: str) -> Dataset:
        """A source, a seed or a model."""
        session, (kind, name) = self._session, node.split(".", 1)
        if kind == "source":
            source, table = name.split(".", 1)
            return of_location(session.spec.sources[source, table].location, session.spec.root)
        target = session.target
        model = self._manifest.models.get(name) if kind == "model" else None
        names = (target.schema, name) if model is None else public_name(model, target.schema)
        return Dataset(f"duckdb://{target.path or ''}", ".".join(names))

    def inputs(self, nodes: Sequence[str]) -> list[Told]:
        """Nodes that are read."""
        return [self.of_node(node).as_input(self._facets(node)) for node in nodes]

    def output(self, model: CompiledModel, rows: int | None) -> Told:
        """A model that was made."""
        version = facet("DatasetVersionDatasetFacet", datasetVersion=model.fingerprint)
        facets = {**self._facets(model.id), **self._columns(model), "version": version}
        return self.of_node(model.id).as_output(facets, statistics(rows))

    def seed(self, node: str, rows: int | None) -> Told:
        return self.of_node(node).as_output(self._facets(node), statistics(rows))

    def training_set(self, built: TrainingSet, *, as_output: bool) -> Told:
        """A training set as it lies in its folder."""
        columns = schema([(one.name, one.type) for one in built.columns])
        version = {"version": facet("DatasetVersionDatasetFacet", datasetVersion=built.id)}
        place = of_folder(built.path)
        if not as_output:
            return place.as_input({**columns, **version})
        made = self._columns(self._manifest.models[built.name])
        size = sum((built.path / one).stat().st_size for one in built.files)
        return place.as_output({**columns, **made, **version}, statistics(built.rows, size, len(built.files)))

    def of_version(self, version: ModelVersion) -> tuple[list[Told], list[Told]]:
        """A registered version, and the training set that it learned from: what it predicts is made of all inputs."""
        said = version.training_set
        place = self._session.spec.target_path / "training_sets" / said["name"] / said["id"]
        learned_from = of_folder(place)
        columns = schema([(one.name, one.type) for one in version.signature.inputs])
        learned = learned_from.as_input(
            {**columns, "version": facet("DatasetVersionDatasetFacet", datasetVersion=said["id"])}
        )
        inputs = [(learned_from, one.name, "DIRECT", "TRANSFORMATION") for one in version.signature.inputs]
        facets = {**schema([("prediction", "DOUBLE")]), **column_lineage({"prediction": inputs})}
        facets["version"] = facet("DatasetVersionDatasetFacet", datasetVersion=str(version.version))
        return [learned], [of_folder(version.path).as_output(facets, {})]

    def online(self, view: CompiledModel, rows: int | None) -> Told:
        """A view in the online store."""
        there = self.of_node(view.id)
        same = {one.name: [(there, one.name, "DIRECT", "IDENTITY")] for one in view.columns}
        columns = schema([(one.name, one.type) for one in view.columns])
        return self._store(view.name).as_output({**columns, **column_lineage(same)}, statistics(rows))

    def _store(self, view: str) -> Dataset:
        spec = self._session.spec
        if spec.online.get("store") == "redis":
            parts = urlsplit(without_password(str(spec.online["url"])))
            return Dataset(f"redis://{parts.netloc or parts.path}", f"{spec.online['namespace'] or spec.name}.{view}")
        folder = Path(spec.online.get("path") or spec.root / "target" / "online")
        return Dataset(f"lmdb://{folder.absolute()}", view)

    def _facets(self, node: str) -> Facets:
        own, there = self._manifest.columns.get(node, ()), self.of_node(node)
        uri = there.name if there.namespace == "file" else there.namespace
        source = facet("DatasourceDatasetFacet", name=there.namespace, uri=_uri(there.namespace, uri))
        return {**schema([(one.name, one.type) for one in own]), "dataSource": source}

    def _columns(self, model: CompiledModel) -> Facets:
        """Of which columns each column is made, one step up."""
        fields: dict[str, list[tuple[Dataset, str, str, str]]] = {}
        for name, own in self._lineage.columns(model.id).items():
            simple = own.expression.rpartition(".")[2].strip('"').casefold()
            told = fields.setdefault(name, [])
            for one in own.parents:
                how = "IDENTITY" if simple == one.column.casefold() else "TRANSFORMATION"
                direct = one.via == "direct"
                told.append((self.of_node(one.node), one.column, "DIRECT" if direct else "INDIRECT", how * direct))
        return column_lineage(fields)


def of_folder(path: Path) -> Dataset:
    """A folder of this machine."""
    return Dataset("file", str(path.absolute()))


def of_location(location: str, root: Path) -> Dataset:
    """Where a source lies, as it is written: a path, or an address with its bucket or host."""
    if "://" not in location:
        return Dataset("file", str((root / location).absolute()))
    parts = urlsplit(without_password(location))
    return Dataset(f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/") or "/")


def _uri(namespace: str, place: str) -> str:
    return Path(place).as_uri() if namespace == "file" else place


def job_sql(model: CompiledModel, sql: str) -> Mapping[str, Any]:
    """What a model's job does, as SQL."""
    return {"sql": facet("SQLJobFacet", query=sql, dialect="duckdb")}
