"""How registered models, their history and their differences read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sqlfeat.cli.render import cell, count, facts, headed, number, place

if TYPE_CHECKING:
    from sqlfeat.ops.registry import Archived, CollectedVersions, History, Moved, Standing
    from sqlfeat.ops.version_difference import Change, VersionDifference
    from sqlfeat.store.journal import Entry
    from sqlfeat.store.registry import RegisteredModel
    from sqlfeat.store.registry_changes import AliasChange

_DONE = {
    "adopted": "adopted",
    "registered": "registered",
    "alias_set": "alias set",
    "alias_deleted": "alias deleted",
    "rolled_back": "rolled back",
    "archived": "archived",
    "restored": "restored",
    "dropped": "dropped",
}
_LONGEST = 60


def registered(models: Sequence[tuple[RegisteredModel, Sequence[Standing]]]) -> Text:
    """The registered models, one a line."""
    rows = []
    for model, standings in models:
        latest = model.latest
        aliases = ", ".join(f"{alias} v{version}" for alias, version in sorted(model.aliases.items())) or "-"
        if latest is None:
            why = "every version is damaged" if model.damaged else "every version is archived"
            rows.append((model.name, "-", str(len(model.current)), aliases, "-", why))
            continue
        known = next(one for one in standings if one.version is latest)
        made = cell(latest.created_at.replace(microsecond=0))
        rows.append((model.name, f"v{latest.version}", str(len(model.current)), aliases, made, _metric(known)))
    return headed(("name", "latest", "versions", "aliases", "created", "metric"), rows)


def versions(standings: Sequence[Standing]) -> Text:
    """The versions of one registered model, one a line, the newest first."""
    rows = [
        (
            f"v{one.version.version}",
            ", ".join([*one.aliases, *(["archived"] if one.archived else [])]) or "-",
            cell(one.version.created_at.replace(microsecond=0)),
            _metric(one),
            f"{one.version.training_set.get('name')} {one.version.training_set.get('id')}",
        )
        for one in reversed(standings)
    ]
    return headed(("version", "aliases", "created", "metric", "training set"), rows)


def _metric(one: Standing) -> str:
    return f"{'.'.join(one.key)} {number(one.value)}" if one.key else "none"


def moved(result: Moved) -> Text:
    """What became of an alias, and what was asked before."""
    lines = [change(result.change)]
    judgement = result.judgement
    if judgement is not None and judgement.comparison is not None:
        found = judgement.comparison
        how = {"predicted": ", both on the rows of this one", "apart": ", on different rows"}.get(found.how, "")
        values = f"{number(found.candidate)}, {judgement.champion} {number(found.champion)}{how}"
        lines.append(Text(f"  {found.metric} on {found.split}: {values}"))
    if result.forced and judgement is not None:
        lines += [Text(f"  forced, against: {reason}", "yellow") for reason in judgement.reasons]
    return Text("\n").join(lines)


def change(result: AliasChange) -> Text:
    """What became of an alias."""
    then = f"v{result.before}" if result.before else "nothing"
    if result.version is None:
        return Text(f"{result.name}@{result.alias} is gone; it was {then}.")
    if result.entry is None:
        return Text(f"{result.name}@{result.alias} is v{result.version} already.")
    return Text(f"{result.name}@{result.alias} is v{result.version}, and was {then}.")


def archived(result: Archived) -> Text:
    """What became of a version that was archived, or brought back."""
    now = "archived" if result.archived else "not archived"
    return Text(f"{result.name}@v{result.version} is {now}{'' if result.entry else ' already'}.")


def history(result: History) -> Text:
    """The journal, the newest entry first."""
    rows = [
        (
            str(entry.number),
            cell(entry.at.replace(microsecond=0)),
            cell(f"{entry.author.user}@{entry.author.host}"),
            _DONE.get(entry.action, entry.action),
            _what(entry),
            cell(entry.message) if entry.message is not None else "",
        )
        for entry in reversed(result.entries)
    ]
    return headed(("entry", "when", "who", "change", "of", "message"), rows, right=[0])


def _what(entry: Entry) -> str:
    told = entry.facts
    if entry.action == "adopted":
        return ", ".join(f"v{version}" for version in told["versions"])
    if "alias" not in told:
        return f"v{told['version']}"
    then = f"v{told['before']}" if told["before"] else "nothing"
    now = f"v{told['version']}" if "version" in told else "nothing"
    return f"{told['alias']}: {then} → {now}" + (", forced" if told.get("forced") else "")


def collected(result: CollectedVersions) -> Text:
    """What gc dropped, or would."""
    rows = [
        (f"{each.name}@v{each.version}", count(each.bytes, "byte"), each.kept_for or "dropped")
        for model in result.models
        for each in model.versions
    ]
    leftovers = [(place(path), "", "left by a killed process") for model in result.models for path in model.leftovers]
    verb = "would be freed" if result.dry_run else "freed"
    total = Text(f"{count(result.bytes, 'byte')} {verb}.")
    if not rows and not leftovers:
        return Text("No version is archived: there is nothing to drop.")
    return Text("\n\n").join([headed(("version", "size", "why"), [*rows, *leftovers], right=[1]), total])


# -- differences -------------------------------------------------------------------------------------------------------


def difference(found: VersionDifference) -> Text:
    """Two versions side by side: metrics first, then what differs, then why."""
    old, new = found.old.reference, found.new.reference
    same = "the same bytes" if found.same_model else "other bytes"
    parts = [Text.assemble((f"{old} → {new}\n", "bold"), facts([("model", same)]))]
    if found.metrics:
        rows = [(one.name, *_values(one), _delta(one)) for one in found.metrics]
        parts.append(headed(("metric", old, new, "change"), rows, right=[1, 2, 3]))
    titles = {
        "params": "parameter", "features": "feature", "inputs": "input", "output": "output",
        "training_set": "training set", "compiled": "SQL of", "versions": "package", "code": "code",
    }  # fmt: skip
    for part, changes in found.parts().items():
        if changes:
            rows = [(cell(one.name), _told(one.old), _told(one.new)) for one in changes]
            parts.append(headed((titles[part], old, new), rows))
    if found.reasons:
        why = facts((reason.kind, cell(reason.text)) for reason in found.reasons)
        parts.append(Text.assemble(("  why\n", "bold"), why))
    elif not any(found.parts().values()):
        parts.append(Text("  Nothing that was recorded differs."))
    return Text("\n\n").join(parts)


def _values(one: Change) -> Iterator[str]:
    yield from ("" if value is None else number(value) for value in (one.old, one.new))


def _delta(one: Change) -> str:
    if isinstance(one.old, int | float) and isinstance(one.new, int | float):
        return "=" if one.old == one.new else f"{one.new - one.old:+.4f}"
    return ""


def _told(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_told(inner)}" for name, inner in value.items())
    text = cell(value)
    is_hash = len(text) in (40, 64) and all(char in "0123456789abcdef" for char in text)
    return text[:12] if is_hash else text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
