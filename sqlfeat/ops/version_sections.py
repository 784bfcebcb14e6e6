"""A version's record as facts, tables and listings for people: what an audit and a model card are put together from.

What an old version does not record is said so where it would stand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlfeat.compiler.rewriting import with_relations
from sqlfeat.ops.document import Bars, Block, Facts, Listing, Notes, Table
from sqlfeat.store.registry import ModelVersion
from sqlfeat.store.signature import PROBABILITIES, PROBABILITY

_MOST_BARS = 20
_MOST_CHANGES = 50
Record = Mapping[str, Any]


def model_facts(version: ModelVersion) -> Iterator[tuple[str, str]]:
    """What the model is, who made it, and when."""
    record, size = version.provenance, version.manifest["files"][version.file]["bytes"]
    label = set_record(version).get("roles", {}).get("label")
    yield "version", version.reference
    yield "predicts", f"{label or 'a value'}, {_output(version)}"
    yield "made", version.created_at.isoformat(sep=" ", timespec="seconds")
    who = record.get("who")
    yield "by", f"{who['user']} on {who['host']}" if who else "not recorded"
    hook = record.get("hook")
    yield "hook", f"{hook['file']}:{hook['line']} ({hook['function']})" if hook else version.hook
    yield "file", f"{version.file} ({version.codec}), {size:,} bytes"
    yield "sha256", version.sha256
    yield "trained in", f"{version.seconds:.1f} s"


def _output(version: ModelVersion) -> str:
    output = version.signature.output
    classes = [str(one) for one in output.classes or ()]
    if output.kind == PROBABILITY:
        return f"as the probability of {classes[-1]}" if classes else "as a probability"
    return f"as the probabilities of {', '.join(classes)}" if output.kind == PROBABILITIES else "as a value"


def source_blocks(version: ModelVersion) -> Iterator[Block]:
    """Where the rows came from: rows, period, files with their hashes."""
    told = version.provenance.get("sources", {})
    if not told:
        return
    rows = [
        (plain_id(id_), count(one.get("rows")), moment(one.get("first")), moment(one.get("last")),
         str(one["location"]), str(one["version"]))
        for id_, one in told.items()
    ]  # fmt: skip
    yield Table(("source", "rows", "first event", "last event", "location", "version"), tuple(rows), (1,))
    files = [
        (plain_id(id_), str(file["path"]), count(file["bytes"]), str(file["sha256"]))
        for id_, one in told.items()
        for file in one["files"]
    ]
    yield Table(("source", "file", "bytes", "sha256"), tuple(files), (2,), "Files")


def set_blocks(version: ModelVersion) -> Iterator[Block]:
    """What the model learned from, and how it was cut."""
    told = set_record(version)
    yield Facts(tuple(_set_facts(version, told)))
    yield from split_tables(version)
    if told.get("lookups"):
        names = ("rows", "found", "expired", "not_yet_known", "no_history")
        looked = [(str(one["view"]), *(count(one.get(name)) for name in names)) for one in told["lookups"]]
        yield Table(("view", *(name.replace("_", " ") for name in names)), tuple(looked), (1, 2, 3, 4, 5), "Lookups")
    if told.get("files"):
        files = [(name, count(one["bytes"]), str(one["sha256"])) for name, one in told["files"].items()]
        yield Table(("file", "bytes", "sha256"), tuple(files), (1,), "Files")
    notes = (*told.get("warnings", ()), *told.get("notes", ()))
    if notes:
        yield Notes(tuple(str(note) for note in notes))


def split_tables(version: ModelVersion) -> Iterator[Block]:
    """How the rows are cut."""
    told = set_record(version)
    if told.get("splits"):
        order = [name for name in told.get("split_order", told["splits"]) if name in told["splits"]]
        parts = {
            **{name: told["splits"][name] for name in order},
            **({"no split": told["unsplit"]} if told["unsplit"] else {}),
        }
        rows = tuple((name, count(rows), share(rows, told["rows"])) for name, rows in parts.items())
        yield Table(("split", "rows", "share"), rows, (1, 2), "Splits")


def _set_facts(version: ModelVersion, told: Record) -> Iterator[tuple[str, str]]:
    yield "name", str(version.training_set["name"])
    yield "id", str(version.training_set["id"])
    yield "definition", str(version.training_set["definition"])
    if not told:
        return
    yield "rows", count(told["rows"])
    asked = {**{name: value for name, value in told["range"].items() if value}, "sample": told.get("sample")}
    for name, value in asked.items():
        if value:
            yield name.replace("_", " "), shown(value)
    if told.get("split"):
        yield "split", split_words(told["split"])
    if told.get("horizon"):
        yield "label horizon", str(told["horizon"])
    built = told.get("built", {})
    yield "built", f"{moment(built.get('created_at'))} with {_packages(told.get('versions', {}))}"


def input_blocks(version: ModelVersion) -> Iterator[Block]:
    """What the model takes, with the verdict of the proof and the source columns that it goes back to."""
    told = set_record(version)
    safety = told.get("time_safety", {})
    verdicts, rules = safety.get("verdicts", {}), safety.get("rules", {})
    nulls, lineage = told.get("null_rates", {}), version.provenance.get("lineage", {})
    rows = [
        (one.name, one.type, one.kind, _verdict(verdicts.get(one.name), rules.get(one.name)),
         _percent(nulls.get(one.name)), _roots(lineage.get(one.name)))
        for one in version.signature.inputs
    ]  # fmt: skip
    yield Table(("input", "type", "kind", "time safety", "nulls", "made from"), tuple(rows), (4,))
    allowed = safety.get("allowed", {})
    if allowed:
        yield Notes(tuple(f"{model} lets through what is not safe: {reason}" for model, reason in allowed.items()))


def _verdict(verdict: str | None, rules: Sequence[str] | None) -> str:
    if verdict is None:
        return "not recorded"
    return f"{verdict} ({', '.join(rules)})" if rules else verdict


def _roots(lineage: Record | None) -> str:
    if not lineage:
        return "not recorded"
    told = [*lineage["from"], *(f"{name} (not traced further)" for name in lineage.get("untraced", ()))]
    return ", ".join(told) or "nothing but the question"


def transform_blocks(version: ModelVersion) -> Iterator[Block]:
    """The fitted parameters."""
    rows = [
        (name, ", ".join(one.get("outputs", ())), shown(one.get("parameters")), str(one.get("sql", "")),
         count(one.get("rows")))
        for name, one in version.transforms.items()
    ]  # fmt: skip
    if rows:
        yield Table(("transform", "outputs", "parameters", "expression", "fitted on rows"), tuple(rows), (4,))


def sql_blocks(version: ModelVersion) -> Iterator[Block]:
    """Every SQL text above the training set, and its own."""
    for name, one in sql_of(version).items():
        hashed = version.compiled.get(name)
        about = f"{name}, fingerprint {one['fingerprint']}" + (f", sha256 {hashed}" if hashed else "")
        yield Listing(about, "sql", with_relations(str(one["sql"]), lambda node: node.split(".", 1)[1]).text)
    if not sql_of(version):
        rows = tuple((name, digest) for name, digest in version.compiled.items())
        yield Table(("model", "sha256 of its SQL"), rows)


def code_blocks(version: ModelVersion, patch: str | None) -> Iterator[Block]:
    """The commit, what differed from it, and the hook's own text."""
    code, hook = version.provenance.get("code", {}), version.provenance.get("hook")
    git = version.git
    state = "with uncommitted changes" if git and git.get("dirty") else "nothing was changed upon it"
    facts = [("commit", f"{git['commit']}, {state}" if git else "no repository")]
    facts += [(name, str(code[name])) for name in ("branch", "remote", "folder") if code.get(name)]
    facts += [("files", f"{len(code['files'])} that sqlfeat reads, each by hash")] if code.get("files") else []
    yield Facts(tuple(facts))
    if code.get("changes"):
        texts = {one["path"]: one for one in code.get("untracked", ())}
        rows = [(one["path"], _status(one["status"]), _kept(texts.get(one["path"]), code)) for one in code["changes"]]
        yield Table(("changed file", "how", "kept"), tuple(rows[:_MOST_CHANGES]))
        if len(rows) > _MOST_CHANGES or code.get("more_changes"):
            yield Notes((f"{len(rows) - _MOST_CHANGES + code.get('more_changes', 0)} more files had changed",))
    if patch is not None:
        yield Listing(f"uncommitted changes, sha256 {code['patch']['sha256']}", "diff", patch)
    for one in code.get("untracked", ()):
        if "text" in one:
            yield Listing(f"new file {one['path']}, sha256 {one['sha256']}", "", one["text"])
    if hook:
        yield Listing(f"{hook['file']}, sha256 {hook['sha256']}", "python", hook["source"])
    if code.get("files"):
        yield Table(("file", "sha256"), tuple(code["files"].items()), title="Files that sqlfeat reads")


def _status(letters: str) -> str:
    known = {"?": "new", "A": "added", "D": "deleted", "M": "changed", "T": "of another type", "U": "in conflict"}
    return next((known[letter] for letter in letters if letter in known), letters)


def _kept(untracked: Record | None, code: Record) -> str:
    if untracked is not None:
        return "in full" if "text" in untracked else f"by hash alone: {untracked.get('left_out')}"
    return "in the patch" if code.get("patch") else f"no: {code.get('patch_left_out') or 'not recorded'}"


def run_blocks(version: ModelVersion) -> Iterator[Block]:
    """What was asked for: parameters, limits, variables."""
    run = version.provenance.get("run", {})
    if version.params:
        rows = tuple(
            (name, shown(value), "given" if name in run.get("params", {}) else "")
            for name, value in version.params.items()
        )
        yield Table(("parameter", "value", ""), rows)
    if not run:
        return
    limits = run["limits"]
    facts = [
        ("target", f"{run['target']} ({run['engine']})"),
        ("time limit", f"{limits['time']:g} s" if limits["time"] else "none"),
        ("memory limit", f"{limits['memory']:,} bytes" if limits["memory"] else "none"),
    ]
    yield Facts(tuple(facts))
    if run["variables"]:
        yield Table(("variable", "value", "hash", ""), tuple(_variable(*entry) for entry in run["variables"].items()))
    if run["environment"]:
        hashes = tuple((name, digest or "was not set") for name, digest in run["environment"].items())
        yield Table(("environment variable that the project names", "hash of its value"), hashes)


def _variable(name: str, told: Record) -> tuple[str, ...]:
    value = shown(told["value"]) if "value" in told else "not kept"
    return name, value, told["sha256"], "given" if told.get("over_project") else ""


def surrounding_blocks(version: ModelVersion) -> Iterator[Block]:
    """Python, packages, processors, and what of the environment counts."""
    around = version.provenance.get("around")
    if not around:
        yield Facts((("versions", _packages(version.versions)),))
        return
    cpus = f"{around['usable_cpus']} of {around['cpus']} processors: {around['processor'] or around['machine']}"
    facts = [("python", f"{around['python']} ({around['implementation']})"), ("platform", around["platform"]),
             ("processors", cpus)]  # fmt: skip
    facts += [(name, value) for name, value in around["variables"].items()]
    yield Facts(tuple(facts))
    packages = {**set_record(version).get("versions", {}), **around["packages"]}
    yield Table(("package", "version"), tuple(sorted(packages.items())), title="Packages")


def metric_blocks(version: ModelVersion) -> Iterator[Block]:
    """The metrics, split by split."""
    names = dict.fromkeys(name for metrics in version.metrics.values() for name in metrics)
    if names:
        rows = tuple((name, *(number(one.get(name)) for one in version.metrics.values())) for name in names)
        yield Table(("metric", *version.metrics), rows, tuple(range(1, len(version.metrics) + 1)), "Metrics")


def importance_blocks(version: ModelVersion) -> Iterator[Block]:
    """What matters to the model, the most first."""
    for kind, values in version.importances.items():
        greatest = sorted(values.items(), key=lambda entry: (-entry[1], entry[0]))[:_MOST_BARS]
        yield Bars(f"Importance ({kind})", tuple(greatest))


def history_blocks(entries: Sequence[Record]) -> Iterator[Block]:
    """What was done with the version since."""
    if entries:
        rows = [(moment(one.get("at")), f"{one.get('user')} on {one.get('host')}", str(one.get("action")),
                 str(one.get("message") or "")) for one in entries]  # fmt: skip
        yield Table(("when", "who", "what", "message"), tuple(rows))


# -- words -----------------------------------------------------------------------------------------------------------


def set_record(version: ModelVersion) -> Record:
    told: Record = version.provenance.get("training_set", {})
    return told


def sql_of(version: ModelVersion) -> Record:
    told: Record = set_record(version).get("models", {})
    return told


def plain_id(id_: str) -> str:
    return id_.split(".", 1)[1]


def _packages(versions: Record) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or "not recorded"


def count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "not recorded" if value is None else str(value)


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def split_words(split: Record) -> str:
    """How rows are cut, in words."""
    if split.get("by") == "time" and split.get("starts"):
        starts = ", ".join(f"{name} from {moment(start)}" for name, start in split["starts"])
        return f"by time: {starts}" + (f"; embargo {split['embargo']}" if split.get("embargo") else "")
    return ", ".join(f"{name} {shown(value)}" for name, value in split.items() if value is not None)


def moment(text: Any) -> str:
    """An instant without its zone, which is UTC, and without what is less than a second."""
    plain = re.sub(r"(\.\d+)?(\+00(:00)?)?$", "", str(text or "")).replace("T", " ")
    return plain.removesuffix(" 00:00:00")


def shown(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
