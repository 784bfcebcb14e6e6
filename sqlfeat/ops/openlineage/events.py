"""The shapes of OpenLineage: run events, datasets and facets as plain values, each with the schema that it follows.

Nothing is known here of projects. The tests hold every event against the schemas that OpenLineage publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

START, COMPLETE, FAIL, ABORT = "START", "COMPLETE", "FAIL", "ABORT"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_VERSIONS = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "DatasourceDatasetFacet": "1-0-1",
    "ErrorMessageRunFacet": "1-0-1",
    "JobTypeJobFacet": "2-0-4",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SQLJobFacet": "1-1-0",
    "SchemaDatasetFacet": "1-2-0",
}
Facets = dict[str, Any]


def producer() -> str:
    """What makes these events."""
    return f"https://pypi.org/project/sqlfeat/{version('sqlfeat')}"


def facet(name: str, /, **values: Any) -> dict[str, Any]:
    """A facet of this schema."""
    url = f"{_SPEC}/facets/{_VERSIONS[name]}/{name}.json#/$defs/{name}"
    return {"_producer": producer(), "_schemaURL": url, **values}


@dataclass(frozen=True)
class Job:
    """A job, by its names."""

    namespace: str
    name: str
    facets: Mapping[str, Any]


@dataclass(frozen=True)
class Dataset:
    """Something that is read or written, by its names."""

    namespace: str
    name: str

    def as_input(self, facets: Mapping[str, Any]) -> dict[str, Any]:
        return {"namespace": self.namespace, "name": self.name, "facets": dict(facets)}

    def as_output(self, facets: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.as_input(facets), "outputFacets": dict(output)}


def run_event(
    kind: str,
    at: datetime,
    run: str,
    job: Job,
    facets: Mapping[str, Any],
    inputs: Sequence[Mapping[str, Any]] = (),
    outputs: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One state of a run."""
    return {
        "eventType": kind,
        "eventTime": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": producer(),
        "schemaURL": _EVENT,
        "run": {"runId": run, "facets": dict(facets)},
        "job": {"namespace": job.namespace, "name": job.name, "facets": dict(job.facets)},
        "inputs": list(inputs),
        "outputs": list(outputs),
    }


def schema(columns: Sequence[tuple[str, str]]) -> Facets:
    """The columns of a dataset with their types."""
    fields = [
        {"name": name, "type": type_, "ordinal_position": place} for place, (name, type_) in enumerate(columns, 1)
    ]
    return {"schema": facet("SchemaDatasetFacet", fields=fields)}


def column_lineage(fields: Mapping[str, Sequence[tuple[Dataset, str, str, str]]]) -> Facets:
    """Of which columns each column is made: dataset, column, ``DIRECT`` or ``INDIRECT``, and how (or nothing)."""
    told = {
        name: {
            "inputFields": [
                {
                    "namespace": dataset.namespace,
                    "name": dataset.name,
                    "field": column,
                    "transformations": [{"type": kind, **({"subtype": how} if how else {})}],
                }
                for dataset, column, kind, how in parents
            ]
        }
        for name, parents in fields.items()
        if parents
    }
    return {"columnLineage": facet("ColumnLineageDatasetFacet", fields=told)} if told else {}


def statistics(rows: int | None, size: int | None = None, files: int | None = None) -> Facets:
    """How much was written."""
    counts = {"rowCount": rows, "size": size, "fileCount": files}
    known = {name: value for name, value in counts.items() if value is not None}
    return {"outputStatistics": facet("OutputStatisticsOutputDatasetFacet", **known)} if known else {}


def parent(run: str, job: tuple[str, str], root: tuple[str, tuple[str, str]] | None = None) -> Facets:
    """The run that this one is part of, and the outermost one."""

    def told(run_id: str, names: tuple[str, str]) -> dict[str, Any]:
        return {"run": {"runId": run_id}, "job": {"namespace": names[0], "name": names[1]}}

    outermost = root or (run, job)
    return {"parent": facet("ParentRunFacet", **told(run, job), root=told(*outermost))}


def failure(text: str) -> Facets:
    """What went wrong."""
    return {"errorMessage": facet("ErrorMessageRunFacet", message=text, programmingLanguage="SQL")}
