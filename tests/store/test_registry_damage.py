"""A registry in which something is not what was written: refused by name, never used, and all else stays usable."""

import json
import os
import random
import shutil

import pytest

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.errors import SqlfeatError, StoreError
from sqlfeat.store.journal import beginning
from sqlfeat.store.model_state import read_history
from sqlfeat.store.registry import read_model, registered_models, resolve
from sqlfeat.store.registry_changes import archive, rollback, set_alias
from tests.made.versions import register_version

MUTATIONS = 220
NAMES = ("late", "early")
REFERENCES = ("", "@1", "@2", "@3", "@champion", "@challenger")
DAMAGED = {"damaged-version", "damaged-registry", "newer-format", "older-format", "unregistered-version"}


def made(registry):
    for name in NAMES:
        for number in (1, 2, 3):
            register_version(registry, name, params={"seed": number})
        set_alias(registry, name, "champion", 1, expected=None)
        set_alias(registry, name, "champion", 2, expected=1)
        set_alias(registry, name, "challenger", 3, expected=None)
    return registry


def meant(registry, name):
    """Each reference, and the version that it means."""
    return {f"{name}{suffix}": resolve(registry, f"{name}{suffix}") for suffix in REFERENCES}


# -- what can be wrong -------------------------------------------------------------------------------------------------


def _anything(registry, dice):
    return dice.choice(sorted(path for path in (registry / "late").rglob("*") if _is_kept(path)))


def _is_kept(path):
    return path.is_file() and not path.name.startswith(".")


def flip(registry, dice):
    path = _anything(registry, dice)
    raw = bytearray(path.read_bytes())
    if not raw:
        raw = bytearray(b"\0")
    place = dice.randrange(len(raw))
    raw[place] ^= dice.randrange(1, 256)
    path.write_bytes(raw)


def cut(registry, dice):
    path = next(one for one in iter(lambda: _anything(registry, dice), None) if one.stat().st_size)
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def add(registry, dice):
    path = _anything(registry, dice)
    raw = path.read_bytes()
    place = dice.randrange(len(raw) + 1)
    path.write_bytes(raw[:place] + dice.randbytes(dice.randrange(1, 40)) + raw[place:])


def delete(registry, dice):
    _anything(registry, dice).unlink()


def swap_files(registry, dice):
    """Files of the same name change places between versions, or between models."""
    name = dice.choice(["version.json", "version.json", "state.json", "journal.jsonl"])
    one = dice.choice(sorted((registry / "late").rglob(name)))
    other = dice.choice(sorted(path for path in registry.rglob(name) if path != one))
    mine, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    if other.is_relative_to(registry / "late"):
        other.write_bytes(mine)


def swap_folders(registry, dice):
    one, other = (registry / "late" / f"v{number}" for number in dice.sample((1, 2, 3), 2))
    one.rename(registry / "aside")
    other.rename(one)
    (registry / "aside").rename(other)


def put_foreign(registry, dice):
    """Something in the place of a file that somebody else has written, or nobody."""
    deep = "[" * 100_000 + "]" * 100_000
    texts = ["", "{}", "[]", "null", "NaN", '{"files": {}}', '{"files": NaN, "kind": 1}', deep, '"\\ud800"', "9" * 5000]
    path = dice.choice([*sorted((registry / "late").glob("v?/version.json")), registry / "late" / "state.json"])
    path.write_text(dice.choice(texts))


def link_file(registry, dice):
    """A link out of the folder, to the very same bytes."""
    path = _anything(registry, dice)
    outside = registry.parent / "outside"
    outside.mkdir(exist_ok=True)
    target = outside / path.name
    shutil.copyfile(path, target)
    path.unlink()
    path.symlink_to(target)


def link_folder(registry, dice):
    path = registry / "late" / f"v{dice.choice((1, 2, 3))}"
    outside = registry.parent / "outside"
    outside.mkdir(exist_ok=True)
    path.rename(outside / path.name)
    path.symlink_to(outside / path.name)


def put_strange(registry, dice):
    """A folder or a pipe that bears a file's name: whoever opened the pipe would wait for ever."""
    path = _anything(registry, dice)
    path.unlink()
    dice.choice([os.mkfifo, os.mkdir])(path)


def forge_version(registry, dice):
    """A manifest that says something else and is consistent in itself."""
    path = registry / "late" / f"v{dice.choice((1, 2, 3))}" / "version.json"
    manifest = json.loads(path.read_text())
    entry = manifest["files"]["model.txt"]
    huge = dice.choice([10**30, -1, "many", None, 1.5, [1]])
    change = dice.choice(
        [
            {"files": {**manifest["files"], "../v2/model.txt": entry}, "file": "../v2/model.txt"},
            {"files": {**manifest["files"], "/etc/hostname": {"bytes": huge, "sha256": "0"}}, "file": "/etc/hostname"},
            {"files": {**manifest["files"], "a\0b": entry}},
            {"files": {"model.txt": {"bytes": huge, "sha256": entry["sha256"]}}},
            {"files": {"model.txt": huge}},
            {"version": huge}, {"format": huge}, {"seconds": huge}, {"metrics": huge}, {"signature": huge},
            {"carried": huge}, {"params": huge}, {"training_set": huge}, {"params": {"seed": 99}}, {"codec": "pickle"},
            {"name": "early"}, {"name": "../late"},
        ]
    )  # fmt: skip
    path.write_text(_checked({**manifest, **change}))


def forge_state(registry, dice):
    """A state that says something else and is consistent in itself."""
    path = registry / "late" / "state.json"
    state = json.loads(path.read_text())
    huge = dice.choice([10**30, -1, "1", None, 2**63])
    versions, journal = state["versions"], state["journal"]
    change = dice.choice(
        [
            {"aliases": {**state["aliases"], "champion": dice.choice([1, 3, 4, huge])}},
            {"aliases": {**state["aliases"], "../x": 1}}, {"aliases": {}}, {"next": huge}, {"next": 2},
            {"format": huge},
            {"versions": {**versions, "1": {**versions["1"], "manifest": versions["2"]["manifest"]}}},
            {"versions": {**versions, "1": {**versions["1"], "archived_at": "2013-01-01T00:00:00+00:00"}}},
            {"versions": {**versions, "1": huge}}, {"versions": {"2": versions["2"]}}, {"dropped": [1]},
            {"journal": {**journal, "entries": 3}}, {"journal": {**journal, "length": huge}}, {"name": "early"},
            {"journal": {"entries": 0, "length": 0, "head": "", "last": ""}},
        ]
    )  # fmt: skip
    path.write_text(_checked({**state, **change}))


def forge_journal(registry, dice):
    """A journal in which one line is another, is gone or has changed places; at best with a chain that holds again."""
    path = registry / "late" / "journal.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    place = dice.randrange(len(lines) - 1)
    match dice.randrange(5):
        case 0:
            lines[place]["user"] = "somebody else"
        case 1:
            lines.pop(place)
        case 2:
            lines[place], lines[place + 1] = lines[place + 1], lines[place]
        case 3:
            lines.append({**lines[-1], "entry": len(lines) + 1})
        case 4:
            lines[3] = {**lines[3], "version": dice.choice([2, 3, 10**30, "1", None]), "action": "alias_set"}
    if dice.random() < 0.5:
        previous = beginning("late")
        for number, line in enumerate(lines, start=1):
            line |= {"entry": number, "previous": previous}
            previous = sha256_text(canonical_json(line) + "\n")
    path.write_text("".join(f"{canonical_json(line)}\n" for line in lines))


def put_back_older(registry, dice):
    """One of state and journal as it was some changes ago."""
    older = registry.parent / "older"
    shutil.rmtree(older, ignore_errors=True)
    shutil.copytree(registry, older)
    changes = dice.randrange(1, 4)
    for _ in range(changes):
        before = read_history(registry / "late", "late")[0].aliases["challenger"]
        set_alias(registry, "late", "challenger", before % 3 + 1, expected=before)
    name = dice.choice(["state.json", "journal.jsonl"])
    if changes == 1 and name == "journal.jsonl":
        name = "state.json"  # a journal that lacks the last line alone is what a crash leaves, and the state has it
    if changes == 3:
        changes = 2  # three changes lead back to where it was
    shutil.copyfile(older / "late" / name, registry / "late" / name)


def _checked(content):
    content = {key: value for key, value in content.items() if key != "checksum"}
    return canonical_json({**content, "checksum": sha256_text(canonical_json(content))})


KINDS = (
    flip, cut, add, delete, swap_files, swap_folders, put_foreign, link_file, link_folder, put_strange, forge_version,
    forge_state, forge_journal, put_back_older,
)  # fmt: skip


# -- what must follow --------------------------------------------------------------------------------------------------


def refusals(registry, right):
    """The codes that the references of a model and its list are refused with; what is not refused must be right."""
    codes, given = set(), []
    for reference, version in right.items():
        try:
            given.append(resolve(registry, reference))
        except SqlfeatError as error:
            codes.add(error.code)
        else:
            assert given[-1] == version, reference
    for found in given[:1]:
        assert read_model(found).num_trees() == 3
    for model in registered_models(registry):
        if model.name == "late":
            codes |= {error.code for error in model.damaged}
            known = {version.version: version for version in right.values()}
            assert all(found == known[found.version] for found in model.versions)
    return codes


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return made(tmp_path_factory.mktemp("whole") / "registry")


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_damaged_is_refused_and_named_and_nothing_wrong_is_given(tmp_path, whole, kind):
    registry = tmp_path / "registry"
    shutil.copytree(whole, registry)
    right, others = meant(registry, "late"), meant(registry, "early")
    for number in range(-(-MUTATIONS // len(KINDS))):
        dice = random.Random(f"{kind.__name__} {number}")
        shutil.rmtree(registry)
        shutil.rmtree(tmp_path / "outside", ignore_errors=True)
        shutil.copytree(whole, registry)
        kind(registry, dice)

        codes = refusals(registry, right)

        assert codes & DAMAGED, f"{kind.__name__} {number} was not found"
        assert codes <= {*DAMAGED, "no-such-version", "cannot-read"}
        assert meant(registry, "early") == others


@pytest.mark.parametrize(
    "change",
    [
        lambda registry: set_alias(registry, "late", "champion", 3, expected=2),
        lambda registry: rollback(registry, "late"),
        lambda registry: archive(registry, "late@1"),
        lambda registry: register_version(registry, "late"),
    ],
)
@pytest.mark.parametrize("file", ["state.json", "journal.jsonl"])
def test_nothing_is_written_over_a_damaged_state_or_journal(tmp_path, whole, change, file):
    registry = tmp_path / "registry"
    shutil.copytree(whole, registry)
    path = registry / "late" / file
    path.write_bytes(path.read_bytes().replace(b"champion", b"chumpion", 1))
    before = {one: one.read_bytes() for one in sorted(registry.rglob("*.json*"))}

    with pytest.raises(StoreError, match=rf"late/{file} is damaged") as caught:
        change(registry)

    assert caught.value.code == "damaged-registry"
    assert caught.value.hint.startswith("bring state.json and journal.jsonl back from a copy")
    assert {one: one.read_bytes() for one in sorted(registry.rglob("*.json*"))} == before


def test_without_state_and_journal_the_versions_are_still_there(tmp_path, whole):
    registry = tmp_path / "registry"
    shutil.copytree(whole, registry)
    (registry / "late" / "state.json").write_text("nonsense")
    for name in ("state.json", "journal.jsonl"):  # as the hint has it
        (registry / "late" / name).unlink()

    assert resolve(registry, "late").version == 3
    set_alias(registry, "late", "champion", 2, expected=None)
    assert [entry.action for entry in read_history(registry / "late", "late")[1]] == ["adopted", "alias_set"]
