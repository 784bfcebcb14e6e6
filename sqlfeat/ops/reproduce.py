"""Rebuild a registered version from what it records, and compare it byte for byte.

What is missing is found first: sources, code, variables. Then the project is put together in a temporary folder, with
a target and a registry of its own, and trained there as it was trained then; nothing of the user's is written to, no
event hook is told, and the folder is gone however this ends.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlfeat.base.files import sha256_text
from sqlfeat.base.withheld import RECORDED
from sqlfeat.errors import ProjectError, SqlfeatError, StoreError
from sqlfeat.ops.code_again import CodeAgain, DataAgain, expanded
from sqlfeat.ops.model_difference import loose_settings, model_difference
from sqlfeat.ops.provenance import RECORD_VERSION, variable_hash
from sqlfeat.ops.reproduction import (
    FileComparison,
    Finding,
    MetricComparison,
    ModelComparison,
    Reproduction,
    SetComparison,
)
from sqlfeat.ops.results import Event, Listener
from sqlfeat.ops.session import Session
from sqlfeat.ops.surroundings import usable_cpus
from sqlfeat.ops.train import train
from sqlfeat.spec.load import load_project
from sqlfeat.spec.project import ProjectSpec
from sqlfeat.store import registry
from sqlfeat.store.artifacts import read_file
from sqlfeat.store.registry import VERSION, ModelVersion

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
"""What makes libraries use as many threads as they did: where it was not set, they took all processors."""
_MOST_PACKAGES = 5
Record = Mapping[str, Any]


def reproduce(session: Session, reference: str, *, only_look: bool = False) -> Reproduction:
    """Rebuild a version's training set and model, and compare both with what is kept.

    With ``only_look`` nothing is built: the findings say what is missing, and what is otherwise now.

    Raises:
        StoreError: there is no such version, it is damaged, or it records too little to be rebuilt.
    """
    started = session.clock.monotonic()
    version = registry.resolve(session.spec.registry, reference)
    _refuse_without_record(version)
    with tempfile.TemporaryDirectory(prefix="sqlfeat-reproduce-") as made:
        folder = Path(made).resolve()
        findings, spec = _prepared(session, version, folder)
        _tell(session, "look for what is missing", started, {"missing": sum(one.stops for one in findings)})
        result = Reproduction(version.reference, tuple(findings), only_looked=only_look)
        if spec is not None and not result.missing and not only_look:
            result = _rebuilt(session, version, spec, result)
    return replace(result, seconds=session.clock.monotonic() - started)


def _refuse_without_record(version: ModelVersion) -> None:
    record = version.provenance.get("record")
    if record is None:
        raise StoreError(
            "no-provenance",
            f"{version.reference} records too little of where it comes from to be rebuilt.",
            hint=f"an older sqlfeat made it; train it again: sqlfeat train {version.hook}.",
        )
    if record != RECORD_VERSION:
        what = f"{version.reference} records where it comes from in form {record}; this sqlfeat reads {RECORD_VERSION}."
        raise StoreError("no-provenance", what, hint="another sqlfeat made it: use that one.")


# -- what is missing ---------------------------------------------------------------------------------------------------


def _prepared(session: Session, version: ModelVersion, folder: Path) -> tuple[list[Finding], ProjectSpec | None]:
    """The project put together in a folder, and what is missing or otherwise now; data first."""
    code = CodeAgain(version, session.spec.root, folder)
    code.make()
    loaded, broken = _loaded(code.root)
    data = DataAgain(version, session.spec, code.root)
    spec = data.placed(loaded or session.spec)
    findings = [*data.findings, *code.findings]
    if broken is not None and not any(one.stops for one in findings):
        findings.append(Finding("code", f"the project of then cannot be read: {broken.what}", stops=True))
    findings += [*_variables(session, version), *_environment(version), *_surroundings(version)]
    return findings, None if loaded is None else _apart(spec, folder)


def _loaded(root: Path) -> tuple[ProjectSpec | None, SqlfeatError | None]:
    try:
        return load_project(root), None
    except ProjectError as error:
        return None, error


def _apart(spec: ProjectSpec, folder: Path) -> ProjectSpec:
    """The project with everything that it writes in a folder of its own."""
    target = folder / "target"
    targets = {
        name: replace(one, path=target / f"{one.path.stem}.duckdb" if one.path else None)
        for name, one in spec.targets.items()
    }
    return replace(spec, targets=targets, target_path=target, registry=folder / "registry", online={})


def _variables(session: Session, version: ModelVersion) -> Iterator[Finding]:
    """Variables that were given over the project's and are not known any more."""
    for name, told in version.provenance["run"].get("variables", {}).items():
        if not told.get("over_project") or "value" in told:
            continue
        if variable_hash(session.variables.get(name)) != told["sha256"]:
            yield Finding("variable", f"the variable {name} had a value that is not kept: give it with --vars", True)


def _given_variables(session: Session, version: ModelVersion) -> dict[str, Any]:
    told = version.provenance["run"].get("variables", {})
    return {
        name: expanded(one["value"]) if "value" in one else session.variables[name]
        for name, one in told.items()
        if one.get("over_project")
    }


def _environment(version: ModelVersion) -> Iterator[Finding]:
    for name, digest in version.provenance["run"].get("environment", {}).items():
        now = sha256_text(os.environ[name])[:16] if name in os.environ else None
        if digest != now:
            was = "was not set" if digest is None else "had another value" if now else "was set"
            yield Finding("environment", f"the environment variable {name}, which the project names, {was}")


def _surroundings(version: ModelVersion) -> Iterator[Finding]:
    """Packages and machine, as far as they are otherwise now."""
    around: Record = version.provenance["around"]
    packages = {**version.provenance["training_set"].get("versions", {}), **version.versions, **around["packages"]}
    told = []
    for name, then in sorted(packages.items()):
        now = platform.python_version() if name == "python" else _installed(name)
        if now != then:
            told.append(f"{name} {then} then, {now or 'not installed'} now")
    if told:
        more = f" and {len(told) - _MOST_PACKAGES} more" if len(told) > _MOST_PACKAGES else ""
        yield Finding("packages", f"{'; '.join(told[:_MOST_PACKAGES])}{more}")
    if around["elsewhere"]:
        names = ", ".join(one["module"] for one in around["elsewhere"])
        yield Finding("code", f"the hook imported {names} from outside of the project and of every package")
    for what, now in (("machine", platform.machine()), ("platform", platform.platform())):
        if around.get(what) not in (None, now):
            yield Finding("machine", f"{what}: {around[what]} then, {now} now")
            break


def _installed(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


# -- again -------------------------------------------------------------------------------------------------------------


def _rebuilt(session: Session, version: ModelVersion, spec: ProjectSpec, result: Reproduction) -> Reproduction:
    run: Record = version.provenance["run"]
    target = run["target"] if run["target"] in spec.targets else None
    variables = _given_variables(session, version)
    again = Session(
        spec, target=target, variables=variables, threads=session.threads, listener=_but_registering(session.listener),
        clock=session.clock, notifies=False,
    )  # fmt: skip
    try:
        with _as_it_was(version.provenance["around"]):
            made = train(again, version.hook, params=expanded(run["params"]))
    except SqlfeatError as error:
        return replace(result, error=error)
    finally:
        again.close()
    return replace(result, training_set=_compared_sets(version, made), model=_compared_models(version, made))


def _but_registering(listener: Listener) -> Listener:
    """A listener that is not told of a version in a registry that nobody will see."""
    return lambda event: None if event.name == "register" else listener(event)


@contextmanager
def _as_it_was(around: Record) -> Iterator[None]:
    """The environment that counts, as the hook's process had it, for the processes that are started meanwhile."""
    then: Mapping[str, str] = around["variables"]
    wanted: dict[str, str | None] = {**dict.fromkeys(RECORDED), **then}
    for name in _THREADS:
        if wanted.get(name) is None and around["usable_cpus"] != usable_cpus():
            wanted[name] = str(around["usable_cpus"])
    before = {name: os.environ.get(name) for name in wanted}
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _tell(session: Session, step: str, started: float, facts: Mapping[str, Any]) -> None:
    session.listener(Event("step", name=step, seconds=session.clock.monotonic() - started, facts=facts))


# -- compared ----------------------------------------------------------------------------------------------------------


def _compared_sets(version: ModelVersion, made: ModelVersion) -> SetComparison:
    then: Record = version.provenance["training_set"]
    now: Record = made.provenance["training_set"]
    names = [name for name in dict.fromkeys([*then["files"], *now["files"]]) if name.endswith(".parquet")]
    return SetComparison(
        then=version.training_set["id"],
        now=made.training_set["id"],
        rows_then=then["rows"],
        rows_now=now["rows"],
        files=tuple(_compared_files(name, then, now) for name in names),
        reasons=tuple(_reasons(then, now)),
    )


def _compared_files(name: str, then: Record, now: Record) -> FileComparison:
    before, after = then["files"].get(name), now["files"].get(name)
    if before is None or after is None:
        return FileComparison(name, same=False, note="it is not there any more" if after is None else "it is new")
    if before["sha256"] == after["sha256"]:
        return FileComparison(name, same=True)
    old, new = then["column_digests"].get(name, {}), now["column_digests"].get(name, {})
    columns = tuple(column for column in dict.fromkeys([*old, *new]) if old.get(column) != new.get(column))
    note = "" if columns else "every column is equal: what the file says of itself is not"
    return FileComparison(name, same=False, columns=columns, note=note)


def _reasons(then: Record, now: Record) -> Iterator[str]:
    """Which parts of what determines a training set are others."""
    for kind, what in (("versions", "package"), ("sources", "source"), ("data", "data of")):
        before, after = then.get(kind, {}), now.get(kind, {})
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                yield f"{what} {name}: {before.get(name)} then, {after.get(name)} now"
    for name in sorted(then.get("models", {}).keys() | now.get("models", {}).keys()):
        old, new = then["models"].get(name, {}), now["models"].get(name, {})
        if old.get("sql") != new.get("sql"):
            yield f"the SQL of {name} is another"
        elif old != new:
            yield f"the config of {name} is another"
    if then.get("definition") != now.get("definition"):
        yield "the definition is another"


def _compared_models(version: ModelVersion, made: ModelVersion) -> ModelComparison:
    old = read_file(version.path, version.manifest, version.file, VERSION)
    new = read_file(made.path, made.manifest, made.file, VERSION)
    params = {
        name: (version.params.get(name), made.params.get(name))
        for name in dict.fromkeys([*version.params, *made.params])
        if version.params.get(name) != made.params.get(name)
    }
    return ModelComparison(
        file=version.file,
        then=version.sha256,
        now=made.sha256,
        differences=tuple(model_difference(old, new)),
        params=params or None,
        metrics=tuple(_other_metrics(version.metrics, made.metrics)),
        advice=tuple(loose_settings(old)) if old != new else (),
    )


def _other_metrics(then: Record, now: Record) -> Iterator[MetricComparison]:
    for split in dict.fromkeys([*then, *now]):
        before, after = then.get(split, {}), now.get(split, {})
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name) or (name in before) != (name in after):
                yield MetricComparison(split, name, before.get(name), after.get(name))
