"""A registered version is made again from what it records, byte for byte; or it is said what is missing or differs."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sqlfeat.api import Project
from sqlfeat.base.clock import FixedClock
from sqlfeat.errors import StoreError
from sqlfeat.ops.reproduction import Reproduction
from sqlfeat.store.registry import register
from tests.made.audited import HOOK, LIGHTGBM, buyers, committed, git, orders
from tests.made.projects import NOW, write
from tests.store.registering import fill

REPOSITORY = Path(__file__).resolve().parents[2]


def opened(root: Path, **settings) -> Project:
    return Project.load(root, clock=FixedClock(NOW), **settings)


def train(root: Path, **params) -> None:
    with opened(root) as project:
        project.train("buyers", params=params)


def reproduce(root: Path, reference: str = "buyers", **settings) -> Reproduction:
    with opened(root) as project:
        return project.reproduce(reference, **settings)


def said(result: Reproduction) -> list[tuple[str, str]]:
    return [(finding.about, finding.text) for finding in result.findings]


def everything_in(root: Path) -> dict[str, bytes]:
    """Every file of a folder but those that a database changes when it is opened."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    kept = (path for path in files if "shop.duckdb" not in path.as_posix() and path.name != "index")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A repository in which ``buyers@v1`` was trained; tests copy it."""
    root = committed(buyers(tmp_path_factory.mktemp("trained") / "shop"))
    train(root, shift=0.5)
    return root


@pytest.fixture
def root(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "shop"))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """A folder for what is temporary, which must be empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


# -- the same again ----------------------------------------------------------------------------------------------------


def test_a_version_is_made_again_byte_for_byte_and_nothing_of_the_project_is_touched(root, temporary):
    before = everything_in(root)

    result = reproduce(root)

    assert (result.outcome, said(result), result.error) == ("reproduced", [], None)
    assert result.training_set.then == result.training_set.now
    assert [(file.file, file.same) for file in result.training_set.files] == [
        ("test.parquet", True), ("train.parquet", True),
    ]  # fmt: skip
    assert result.model.then == result.model.now
    assert everything_in(root) == before
    assert git(root, "status", "--porcelain") == ""
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def pushed(trained, tmp_path_factory) -> Path:
    """The same repository, where an order was pushed before ``buyers@v2`` was trained."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("pushed") / "shop"))
    with opened(root) as project:
        project.push("raw.orders", [orders(1).to_pylist()[0] | {"order_id": 1_000_001, "amount": 77}])
    train(root, shift=0.5)
    return root


def test_a_version_that_was_trained_on_pushed_rows_is_made_of_them_again(pushed):
    assert [file.name for file in pushed.glob("target/online/pushes/raw.orders/*.parquet")] != []

    result = reproduce(pushed, "buyers@v2")

    assert (result.outcome, said(result)) == ("reproduced", [])


def test_it_is_said_where_what_was_pushed_is_not_there_any_more(pushed, tmp_path):
    root = Path(shutil.copytree(pushed, tmp_path / "shop"))
    (file,) = root.glob("target/online/pushes/raw.orders/*.parquet")
    file.unlink()

    assert said(reproduce(root, "buyers@v2")) == [
        ("source", f"raw.orders: what was pushed is not whole: {file.relative_to(root).as_posix()} is gone")
    ]


def test_it_is_the_same_in_another_folder_zone_and_hash_seed_with_other_threads(trained, tmp_path):
    elsewhere = Path(shutil.copytree(trained, tmp_path / "somewhere else" / "é"))
    script = (
        "import sys\nfrom sqlfeat import Project\n"
        "with Project.load(sys.argv[1], threads=3) as project:\n"
        "    result = project.reproduce('buyers')\n"
        "    print(result.outcome, [finding.text for finding in result.findings])\n"
    )
    machine = {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "LC_ALL": "C"}
    ended = subprocess.run(
        [sys.executable, "-c", script, str(elsewhere)],
        cwd=REPOSITORY, env={**os.environ, **machine}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.stderr == ""
    assert ended.stdout == "reproduced []\n"


def test_what_was_deleted_changed_and_run_since_makes_no_difference(root):
    shutil.rmtree(root / "target")
    write(root, {"models/spent.sql": "select 1 as other", "hooks/buyers.py": "nothing = 1"})
    git(root, "commit", "-q", "-a", "-m", "other")

    assert reproduce(root).outcome == "reproduced"


def test_a_project_below_the_repository_is_made_again(tmp_path):
    below = buyers(tmp_path / "whole" / "teams" / "shop")
    (tmp_path / "whole" / "README.md").write_text("ours")
    committed(tmp_path / "whole")
    train(below)

    assert reproduce(below).outcome == "reproduced"


def test_the_project_s_event_hooks_are_told_nothing(tmp_path):
    told = tmp_path / "told"
    hook = f"""
        from pathlib import Path
        from sqlfeat.hooks import on

        @on("model_registered")
        def tell(facts):
            Path({str(told)!r}).write_text("told")
    """
    root = committed(buyers(tmp_path / "shop", {"hooks/tell.py": hook}))
    train(root)
    assert told.read_text() == "told"
    told.unlink()

    assert reproduce(root).outcome == "reproduced"
    assert not told.exists()


# -- a dirty tree, and none --------------------------------------------------------------------------------------------


def test_uncommitted_changes_are_kept_and_applied(tmp_path):
    root = committed(buyers(tmp_path / "shop", {"hooks/gone.py": "x = 1\n"}))
    changed = HOOK.replace("trainer\n", "trainer\n    from moved import MOVED\n", 1).replace(
        "+ params", "+ MOVED + params"
    )
    write(root, {"hooks/buyers.py": changed, "hooks/moved.py": "MOVED = 3\n", "README.md": "naïve\n"})
    (root / "hooks" / "gone.py").unlink()
    train(root)
    git(root, "checkout", "-q", ".")
    (root / "hooks" / "moved.py").unlink()

    with opened(root) as project:
        audit = project.audit("buyers")
    result = reproduce(root)

    code = audit.version.provenance["code"]
    assert [(one["path"], one["status"]) for one in code["changes"]] == [
        ("README.md", "??"), ("hooks/buyers.py", " M"), ("hooks/gone.py", " D"), ("hooks/moved.py", "??"),
    ]  # fmt: skip
    assert [one["text"] for one in code["untracked"]] == ["naïve\n", "MOVED = 3\n"]
    assert "+from moved import MOVED" in audit.patch
    assert result.outcome == "reproduced"
    assert said(result) == []


def test_changes_that_could_not_be_kept_are_said_where_they_are_gone(tmp_path):
    root = committed(buyers(tmp_path / "shop"))
    write(root, {"hooks/buyers.py": HOOK + "    # " + "x" * 1_100_000})
    train(root)
    there = reproduce(root)
    git(root, "checkout", "-q", ".")
    gone = reproduce(root)

    assert there.outcome == "reproduced"
    assert gone.outcome == "not possible"
    assert said(gone) == [("code", "hooks/buyers.py is not as recorded; without hooks/buyers.py, which are too large")]


def test_without_a_repository_the_files_of_now_are_taken_if_they_are_those_of_then(tmp_path):
    root = buyers(tmp_path / "shop")
    train(root)
    same = reproduce(root)
    write(root, {"models/spent.sql": (root / "models" / "spent.sql").read_text() + "\n"})
    changed = reproduce(root)
    (root / "models" / "spent.sql").unlink()
    gone = reproduce(root)

    assert same.outcome == "reproduced"
    assert changed.outcome == gone.outcome == "not possible"
    assert said(changed) == [("code", "models/spent.sql is not as recorded; it was in no repository")]
    assert said(gone) == [("code", "models/spent.sql is gone; it was in no repository")]


def test_a_commit_that_is_gone_is_said_and_not_needed_while_the_files_are_there(root):
    commit = git(root, "rev-parse", "HEAD")[:12]
    shutil.rmtree(root / ".git")
    same = reproduce(root)
    committed(write(root, {"hooks/buyers.py": HOOK + "# more\n"}))
    changed = reproduce(root)

    assert same.outcome == "reproduced"
    assert [about for about, _ in said(same)] == ["code"]
    assert said(same)[0][1].endswith("is in no repository here; the files as they are now are those of then")
    assert changed.outcome == "not possible"
    assert said(changed) == [
        ("code", f"hooks/buyers.py is not as recorded; the commit {commit} is not in the repository")
    ]


# -- data --------------------------------------------------------------------------------------------------------------


def test_a_source_that_is_gone_or_changed_is_said_first_and_nothing_is_built(root):
    write(root, {"data/orders.parquet": orders(61)})
    (root / "data" / "visits.parquet").unlink()
    write(root, {"hooks/buyers.py": "broken ="})
    git(root, "commit", "-q", "-a", "-m", "broken")

    result = reproduce(root)

    assert result.outcome == "not possible"
    assert said(result) == [
        ("source", "raw.orders: data/orders.parquet has changed since"),
        ("source", "raw.visits: data/visits.parquet is gone"),
    ]
    assert result.model is None


def test_a_source_that_was_committed_is_found_in_the_commit(tmp_path):
    root = committed(buyers(tmp_path / "shop", {".gitignore": "target/\nregistry/\n"}))
    train(root)
    write(root, {"data/orders.parquet": orders(61)})

    assert reproduce(root).outcome == "reproduced"


def test_a_source_of_several_files_is_gathered_from_those_that_it_had(tmp_path):
    sources = "version: 2\nsources:\n  - name: raw\n    config: {location: 'data/{name}/*.parquet'}\n    tables:\n"
    sources += "      - {name: orders, config: {event_time: ordered_at}}\n"
    sources += "      - {name: visits, config: {event_time: visited_at, location: data/visits.parquet}}\n"
    parts = {"data/orders/1.parquet": orders().slice(0, 30), "data/orders/2.parquet": orders().slice(30)}
    root = committed(buyers(tmp_path / "shop", {"models/sources.yml": sources, **parts}))
    train(root)
    write(root, {"data/orders/3.parquet": orders(5)})
    more = reproduce(root)
    (root / "data" / "orders" / "1.parquet").unlink()
    less = reproduce(root)

    assert more.outcome == "reproduced"
    assert said(less) == [("source", "raw.orders: data/orders/1.parquet is gone")]


# -- what differs ------------------------------------------------------------------------------------------------------


def test_other_packages_are_said_and_so_is_whatever_they_change(root, monkeypatch):
    real = importlib.metadata.version
    faked = {"numpy": "0.9.9", "filelock": "0.1"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: faked.get(name) or real(name))

    result = reproduce(root)

    told = dict(said(result))["packages"]
    assert f"numpy {real('numpy')} then, 0.9.9 now" in told
    assert f"filelock {real('filelock')} then, 0.1 now" in told
    assert result.outcome == "differs"  # the id of a training set hangs on the packages that computed it
    assert result.training_set.then != result.training_set.now
    assert result.training_set.reasons == (f"package numpy: {real('numpy')} then, 0.9.9 now",)
    assert {file.note for file in result.training_set.files} == {
        "every column is equal: what the file says of itself is not"
    }
    assert result.model.then == result.model.now


def test_a_booster_that_is_not_the_same_twice_is_told_by_what_differs(tmp_path, monkeypatch):
    root = committed(buyers(tmp_path / "shop", {"hooks/buyers.py": LIGHTGBM}))
    by_file = LIGHTGBM.replace("| params", "| params | {'learning_rate': float(os.environ.get('RATE', '0.1'))}")
    write(root, {"hooks/buyers.py": by_file.replace("import lightgbm as lgb", "import os\n    import lightgbm as lgb")})
    git(root, "commit", "-q", "-a", "-m", "a hook that looks around")
    train(root)
    monkeypatch.setenv("RATE", "0.2")

    other = reproduce(root)

    assert other.outcome == "differs"
    assert ("environment", "the environment variable RATE, which the project names, was not set") in said(other)
    assert other.training_set.same
    assert other.model.differences == (
        "4 of 4 trees differ; the first is tree 0, by its values alone (leaf_value, internal_value)",
        "the parameters differ: learning_rate was 0.1, is 0.2",
    )
    assert other.model.advice == ("num_threads is not set, so it hangs on the machine",)
    assert {"auc", "log_loss"} >= {one.metric for one in other.model.metrics} & {"auc", "log_loss"} != set()


def test_as_many_threads_are_used_as_then_where_the_hook_says_nothing(tmp_path, monkeypatch):
    told = HOOK.replace("+ params", "+ int(os.environ['OMP_NUM_THREADS']) + params").replace(
        "from sqlfeat import", "import os\n    from sqlfeat import"
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    root = committed(buyers(tmp_path / "shop", {"hooks/buyers.py": told}))
    train(root)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    assert reproduce(root).outcome == "reproduced"
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_a_hook_that_fails_now_is_shown_with_its_error(tmp_path):
    told = HOOK.replace("middle = ", "open('data/needed')\n        middle = ")
    root = committed(buyers(tmp_path / "shop", {"hooks/buyers.py": told, "data/needed": "by the hook"}))
    train(root)

    result = reproduce(root)

    assert result.outcome == "not possible"
    assert result.error.code == "hook-failed"
    assert "FileNotFoundError" in result.error.what


# -- refused -----------------------------------------------------------------------------------------------------------


def test_a_damaged_version_is_refused_by_name(root):
    path = root / "registry" / "buyers" / "v1" / "predictor.zip"
    path.write_bytes(path.read_bytes().replace(b"middle", b"muddle", 1))

    with pytest.raises(StoreError, match=r"predictor\.zip is damaged"):
        reproduce(root)


def test_a_version_that_records_nothing_is_refused_with_words(root):
    register(root / "registry", "old", fill)

    with pytest.raises(StoreError, match="records too little") as caught:
        reproduce(root, "old")
    assert caught.value.code == "no-provenance"


def test_a_variable_whose_value_is_not_kept_is_asked_for(tmp_path):
    spent = "{{ config(materialized='table', event_time='visited_at', role='label') }}\n"
    spent += "select visit_id, customer, visited_at, pages, bought from {{ source('raw', 'visits') }}\n"
    spent += "where md5('{{ var(\"pass\") | length }}') is not null\n"
    root = committed(buyers(tmp_path / "shop", {"models/asked.sql": spent}))
    with opened(root, vars={"pass": "open sesame"}) as project:
        project.train("buyers")

    without = reproduce(root)
    with opened(root, vars={"pass": "open sesame"}) as project:
        given = project.reproduce("buyers")

    assert said(without) == [("variable", "the variable pass had a value that is not kept: give it with --vars")]
    assert given.outcome == "reproduced"


def test_only_looking_builds_nothing(root):
    result = reproduce(root, only_look=True)

    assert (result.outcome, result.training_set, result.model) == ("possible", None, None)


def test_an_interrupt_leaves_nothing_behind(root, temporary):
    sleeping = HOOK.replace("middle = ", "time.sleep(60 if 'SLEEP' in os.environ else 0)\n        middle = ")
    write(root, {"hooks/buyers.py": sleeping.replace("from sqlfeat", "import os, time\n    from sqlfeat")})
    git(root, "commit", "-q", "-a", "-m", "slow")
    train(root)
    before = everything_in(root)

    process = subprocess.Popen(
        [sys.executable, "-m", "sqlfeat.cli.main", "registry", "reproduce", "buyers"],
        cwd=root, env={**os.environ, "SLEEP": "1", "TMPDIR": str(temporary), "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "write splits" in line:
            break
    deadline = time.monotonic() + 30
    while not list(temporary.glob("sqlfeat-*/order.json")) and time.monotonic() < deadline:
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == 130
    assert list(temporary.iterdir()) == []
    assert everything_in(root) == before
    assert len(git(root, "worktree", "list").splitlines()) == 1
