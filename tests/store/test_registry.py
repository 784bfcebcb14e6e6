"""The registry: numbered versions, references that mean one of them, and no byte used that is not verified."""

import json
import random
import shutil
import threading

import pytest

from sqlfeat.base.files import canonical_json, sha256_text
from sqlfeat.base.process import run_in_child
from sqlfeat.errors import ProjectError, StoreError, UsageError
from sqlfeat.store.model_state import read_history
from sqlfeat.store.registry import (
    load_version,
    parse_reference,
    read_model,
    registered_model,
    registered_models,
    resolve,
)
from tests.made.sessions import NOW
from tests.made.versions import booster_text, register_version

RACES = 4


def test_versions_are_numbered_from_one_and_come_back_whole(tmp_path):
    first, second = register_version(tmp_path), register_version(tmp_path)

    assert (first.version, second.version) == (1, 2)
    assert first.path == tmp_path / "late_lgbm" / "v1"
    assert first.created_at == NOW
    assert list(first.metrics) == ["train", "test"]
    assert load_version(tmp_path, "late_lgbm", 2) == second
    assert read_model(second).num_trees() == 3


def test_a_number_is_never_given_twice_whatever_becomes_of_its_folder(tmp_path):
    register_version(tmp_path)
    (tmp_path / "late_lgbm" / "v7").mkdir()
    assert register_version(tmp_path).version == 8

    shutil.rmtree(tmp_path / "late_lgbm" / "v8")
    (tmp_path / "late_lgbm" / "v7").rmdir()

    assert register_version(tmp_path).version == 9


def test_a_version_that_was_deleted_by_hand_is_missed_not_passed_over(tmp_path):
    register_version(tmp_path)
    shutil.rmtree(register_version(tmp_path).path)

    with pytest.raises(StoreError, match=r"late_lgbm/v2 is damaged: it is missing") as caught:
        resolve(tmp_path, "late_lgbm")

    assert caught.value.hint.endswith("let it go: sqlfeat registry archive late_lgbm@2.")
    assert [error.code for error in registered_model(tmp_path, "late_lgbm").damaged] == ["damaged-version"]


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("late_lgbm", ("late_lgbm", None)),
        ("late_lgbm@3", ("late_lgbm", 3)),
        ("late_lgbm@v12", ("late_lgbm", 12)),
        ("late_lgbm@champion", ("late_lgbm", "champion")),
        ("late_lgbm@vintage", ("late_lgbm", "vintage")),
    ],
)
def test_a_reference_is_a_name_and_perhaps_a_version_or_alias(reference, meant):
    assert parse_reference(reference) == meant


@pytest.mark.parametrize(
    "reference", ["", "@3", "a@", "a@b@c", "../a", "a/b", "a@../b", "a@-1", "a@0", "ä", "a b", "a@3\n"]
)
def test_what_cannot_be_a_reference_is_refused(tmp_path, reference):
    with pytest.raises(UsageError) as caught:
        resolve(tmp_path, reference)

    assert caught.value.code == "bad-reference"


def test_references_mean_the_latest_or_the_named_version(tmp_path):
    for _ in range(11):
        register_version(tmp_path)

    assert resolve(tmp_path, "late_lgbm").version == 11
    assert resolve(tmp_path, "late_lgbm@latest").version == 11
    assert resolve(tmp_path, "late_lgbm@2").version == 2
    assert resolve(tmp_path, "late_lgbm@v9").version == 9


def test_what_is_not_there_is_told_with_what_is(tmp_path):
    with pytest.raises(StoreError, match="no registered model 'late_lgbm'") as caught:
        resolve(tmp_path / "nowhere", "late_lgbm")
    assert caught.value.hint.startswith("the registry is empty")

    register_version(tmp_path)
    with pytest.raises(StoreError, match="no registered model 'late_lbgm'") as caught:
        resolve(tmp_path, "late_lbgm")
    assert (caught.value.code, caught.value.hint) == ("no-such-registered-model", "did you mean 'late_lgbm'?")

    with pytest.raises(StoreError, match="has no version 2") as caught:
        resolve(tmp_path, "late_lgbm@2")
    assert (caught.value.code, caught.value.hint) == ("no-such-version", "there is v1.")

    with pytest.raises(StoreError, match="has no alias 'champion'") as caught:
        resolve(tmp_path, "late_lgbm@champion")
    assert caught.value.hint == "sqlfeat registry alias late_lgbm champion VERSION sets it; there is v1."


def test_a_name_that_could_leave_the_registry_is_refused(tmp_path):
    with pytest.raises(ProjectError, match="cannot be the name of a registered model"):
        register_version(tmp_path, "../late")


def test_models_are_listed_by_name_and_a_damaged_version_hides_no_other(tmp_path):
    register_version(tmp_path, "b_model")
    register_version(tmp_path, "a_model")
    register_version(tmp_path, "a_model")
    (tmp_path / "a_model" / "v1" / "model.txt").write_text("tree\nnonsense")

    assert [model.name for model in registered_models(tmp_path)] == ["a_model", "b_model"]
    model = registered_model(tmp_path, "a_model")
    assert [version.version for version in model.versions] == [2]
    assert [error.code for error in model.damaged] == ["damaged-version"]
    assert model.latest.version == 2
    assert json.loads(json.dumps(model.as_dict()))["name"] == "a_model"


def test_the_latest_version_is_refused_when_it_is_damaged_not_passed_over(tmp_path):
    register_version(tmp_path)
    path = register_version(tmp_path).path / "version.json"
    path.unlink()

    with pytest.raises(StoreError, match=r"v2/version\.json is damaged: it is missing"):
        resolve(tmp_path, "late_lgbm")


def test_a_version_from_elsewhere_is_refused(tmp_path):
    register_version(tmp_path)
    shutil.copytree(tmp_path / "late_lgbm" / "v1", tmp_path / "late_lgbm" / "v2")
    shutil.copytree(tmp_path / "late_lgbm" / "v1", tmp_path / "other" / "v1")

    with pytest.raises(StoreError, match=r"late_lgbm/v2 was never registered") as caught:
        resolve(tmp_path, "late_lgbm@2")
    assert caught.value.code == "unregistered-version"
    with pytest.raises(StoreError, match="it belongs to late_lgbm@v1"):
        resolve(tmp_path, "other")


def test_another_version_in_the_place_of_a_registered_one_is_refused_however_whole_it_is(tmp_path):
    register_version(tmp_path / "mine")
    version = register_version(tmp_path / "theirs", params={"seed": 8})
    shutil.rmtree(tmp_path / "mine" / "late_lgbm" / "v1")
    shutil.copytree(version.path, tmp_path / "mine" / "late_lgbm" / "v1")

    with pytest.raises(StoreError, match="it is not the one that was registered"):
        resolve(tmp_path / "mine", "late_lgbm")


def test_versions_from_before_there_were_journals_count_and_are_adopted_by_the_next_change(tmp_path):
    for _ in range(2):
        register_version(tmp_path)
    forget(tmp_path / "late_lgbm")

    assert resolve(tmp_path, "late_lgbm").version == 2
    assert register_version(tmp_path).version == 3
    state, entries = read_history(tmp_path / "late_lgbm", "late_lgbm")
    assert [entry.action for entry in entries] == ["adopted", "registered"]
    assert sorted(state.versions) == [1, 2, 3]
    (tmp_path / "late_lgbm" / "v1" / "version.json").write_text("{}")
    with pytest.raises(StoreError, match=r"v1/version\.json is damaged"):
        resolve(tmp_path, "late_lgbm@1")


def forget(folder):
    """Leave of a registered model what there was before there were journals."""
    for name in ("state.json", "journal.jsonl"):
        (folder / name).unlink()


def test_a_model_whose_bytes_fit_their_hash_but_are_no_model_is_refused(tmp_path):
    def forge(folder, **changes):
        (folder / "model.txt").write_text("no model")
        manifest = json.loads((folder / "version.json").read_text())
        manifest["files"]["model.txt"] = {"bytes": 8, "sha256": sha256_text("no model")}
        manifest = {key: value for key, value in {**manifest, **changes}.items() if key != "checksum"}
        manifest["checksum"] = sha256_text(canonical_json(manifest))
        (folder / "version.json").write_text(canonical_json(manifest))
        forget(folder.parent)  # whoever forges this much forges these, too

    forge(register_version(tmp_path).path)
    with pytest.raises(StoreError, match="cannot read this model") as caught:
        read_model(resolve(tmp_path, "late_lgbm"))
    assert caught.value.code == "unreadable-model"

    forge(register_version(tmp_path).path, codec="pickle")
    with pytest.raises(StoreError, match="kept as 'pickle'; this sqlfeat reads lightgbm") as caught:
        read_model(resolve(tmp_path, "late_lgbm"))
    assert caught.value.code == "unknown-codec"


def test_every_changed_byte_is_found_before_lightgbm_sees_it(tmp_path):
    version = register_version(tmp_path)
    dice = random.Random(20130401)
    files = [version.path / name for name in ("model.txt", "version.json", "log.txt")]

    for _ in range(300):
        path = dice.choices(files, [6, 3, 1])[0]
        original = path.read_bytes()
        position = dice.randrange(len(original))
        changed = bytes([original[position] ^ dice.randrange(1, 256)])
        path.write_bytes(
            dice.choice(
                [
                    original[:position] + changed + original[position + 1 :],
                    original[:position] + original[position + 1 :],
                    original[:position],
                    original[:position] + changed + original[position:],
                ]
            )
        )
        with pytest.raises(StoreError) as caught:
            resolve(tmp_path, "late_lgbm")
        assert caught.value.code in ("damaged-version", "newer-format", "older-format")
        assert path.name in caught.value.what
        if path.name == "model.txt":  # found again at the moment of use, by whoever looked before
            with pytest.raises(StoreError, match="damaged"):
                read_model(version)
        path.write_bytes(original)

    assert resolve(tmp_path, "late_lgbm") == version


def test_threads_that_race_get_numbers_of_their_own(tmp_path):
    booster_text()
    versions = []
    threads = [
        threading.Thread(target=lambda: versions.append(register_version(tmp_path).version)) for _ in range(RACES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(versions) == list(range(1, RACES + 1))


def test_processes_that_race_get_numbers_of_their_own(tmp_path):
    numbers = []

    def race():
        argument = [str(tmp_path), RACES]
        numbers.extend(run_in_child("tests.store.registering:register_some", argument, folder=tmp_path).value)

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == list(range(1, 2 * RACES + 1))
    assert [version.version for version in registered_model(tmp_path, "late_lgbm").versions] == sorted(numbers)
