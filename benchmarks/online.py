"""``python -m benchmarks.online``: five views of ten doubles looked up online, sqlfeat beside its peers in one run.

Methods take turns over the repetitions, each in a new process; ratios are medians of those of one turn. Of a whole run
tables go to ``results/online.md``, every single figure to ``results/online-<date>.json``; of a part nothing is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import online_http
from benchmarks.feast_environment import feast_python
from benchmarks.machine import facts_of_machine
from benchmarks.measure import ROOT
from benchmarks.online_data import make_project, make_tables
from benchmarks.online_ours import ADDED
from benchmarks.online_peers import references, write_feast, write_lmdb
from benchmarks.online_report import Measured, keep, report
from sqlfeat.api import Project

HERE = ROOT / "benchmarks"
_SQLITE = "  type: sqlite\n  path: online.db"
_SECONDS = 2.0
_AT_MOST = 600
"""Seconds that any part may take."""
_FEAST_PATH = "/get-online-features"


@dataclass(frozen=True)
class Method:
    """A way of looking up: the module that measures it, in our environment or the peers', and what it is told."""

    name: str
    module: str
    task: Mapping[str, Any]
    python: Path


@dataclass(frozen=True)
class Contestant:
    """A server: its command, where it is ready and asked, and the body for an entity."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: str
    path: str
    body: Callable[[int], bytes]


class Bench:
    """Everything made once: tables, our project with its model and snapshot, the peers' stores."""

    def __init__(self, options: argparse.Namespace, stack: ExitStack) -> None:
        self.options = options
        self.folder = HERE / ".data" / f"online-{options.entities}"
        self.tables = self.folder / "tables"
        shutil.rmtree(self.folder, ignore_errors=True)
        make_tables(self.tables, options.entities)
        write_lmdb(self.folder / "raw", self.tables)
        self.redis = options.redis or _started_redis(stack, self.folder)
        self.peers = feast_python(HERE / ".peers")
        self.ours = {"LMDB": self._project("lmdb", "{store: lmdb, path: target/online}")}
        if self.redis.startswith("redis://"):
            self.ours["Redis"] = self._project("redis", f"{{store: redis, url: '{self.redis}'}}")
        self.feast: dict[str, Path] = {}
        self.notes: list[str] = [self.peers] if isinstance(self.peers, str) else []
        if isinstance(self.peers, Path) and not options.no_feast:
            self._feast("SQLite", _SQLITE)
            if self.redis.startswith("redis://"):
                address = self.redis.removeprefix("redis://").split("/")[0]
                self._feast("Redis", f"  type: redis\n  connection_string: {address}")

    def _project(self, name: str, online: str) -> Path:
        folder = self.folder / f"project-{name}"
        make_project(folder, self.tables, online)
        with Project.load(folder) as project:
            project.run()
            project.publish()
            project.build_training_set("asked")
            project.train("forest")
        return folder

    def _feast(self, store: str, online: str) -> None:
        """Feast's repository with the views in its store; where that fails, or takes too long, a note of it."""
        folder = self.folder / f"feast-{store.lower()}"
        write_feast(folder, self.tables, online)
        assert isinstance(self.peers, Path)
        program = str(self.peers.with_name("feast"))
        for words in (["apply"], ["materialize", "2025-12-01T00:00:00", "2026-12-01T00:00:00"]):
            command = [program, "-c", str(folder), *words]
            try:
                subprocess.run(command, capture_output=True, text=True, check=True, timeout=_AT_MOST)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                self.notes.append(f"Feast on {store} is not measured: feast {words[0]}: {_why(error)}")
                return
        self.feast[store] = folder

    def methods(self) -> list[Method]:
        """The ways of looking up in a process."""
        python = Path(sys.executable)
        common = {"entities": self.options.entities, "tables": str(self.tables), "redis": self.redis}
        raw = {**common, "raw": str(self.folder / "raw")}
        methods = [Method("raw LMDB gets", "benchmarks.online_peers", raw, python)]
        lmdb = {**common, "project": str(self.ours["LMDB"])}
        for name in (
            "sqlfeat, packed rows of 5 views",
            "sqlfeat, rows of 5 views",
            "sqlfeat, features of a training set",
            "sqlfeat, predict",
            "LightGBM, a single row",
            "sqlfeat, features, then LightGBM's single row",
        ):
            methods.append(Method(name, "benchmarks.online_ours", lmdb, python))
        if "Redis" in self.ours:
            redis = {**common, "project": str(self.ours["Redis"])}
            methods.append(Method("raw Redis MGET", "benchmarks.online_peers", common, python))
            methods.append(Method("sqlfeat, rows of 5 views", "benchmarks.online_ours", redis, python))
            methods.append(Method("sqlfeat, features of a training set", "benchmarks.online_ours", redis, python))
        for folder in self.feast.values():
            assert isinstance(self.peers, Path)
            methods.append(Method("Feast SDK", "benchmarks.online_peers", {**common, "feast": str(folder)}, self.peers))
        return methods

    def label(self, method: Method) -> str:
        """A method's name with its store."""
        project = Path(method.task.get("project") or method.task.get("feast") or "")
        store = {"project-redis": ", Redis", "feast-redis": ", Redis", "feast-sqlite": ", SQLite"}.get(project.name, "")
        return f"{method.name}{store}"

    def servers(self) -> list[Contestant]:
        """The servers, the naive one first."""
        made = []
        if isinstance(self.peers, Path):
            uvicorn = [str(self.peers.with_name("uvicorn")), "benchmarks.online_peers:naive", "--port", "{port}"]
            command = [*uvicorn, "--factory", "--no-access-log", "--log-level", "warning"]
            stores = {"LMDB": {"BENCH_RAW": str(self.folder / "raw")}}
            if self.redis.startswith("redis://"):
                stores["Redis"] = {"BENCH_REDIS": self.redis, "BENCH_TABLES": str(self.tables)}
            for store, said in stores.items():
                where = {**said, "PYTHONPATH": str(ROOT)}
                made.append(Contestant(f"naive FastAPI, {store}", command, where, "/docs", "/features", _one))
        program = str(Path(sys.executable).with_name("sqlfeat"))
        for store, folder in self.ours.items():
            command = [program, "--project-dir", str(folder), "serve", "--port", "{port}"]
            where = {"PYTHONPATH": str(ROOT)}
            for name, path, body in (
                ("features", "/features/asked", _one),
                ("predict", "/predict/forest", _one),
                ("Feast's shape", _FEAST_PATH, _feast),
            ):
                name = f"sqlfeat serve, {store}, {name}"
                made.append(Contestant(name, command, where, "/health/ready", path, body))
        for store, folder in self.feast.items():
            assert isinstance(self.peers, Path)
            command = [str(self.peers.with_name("feast")), "-c", str(folder), "serve", "-h", "127.0.0.1"]
            command += ["-p", "{port}", "--no-access-log"]
            made.append(Contestant(f"feast serve, {store}", command, {}, "/health", _FEAST_PATH, _feast))
        return made


def _one(entity: int) -> bytes:
    return b'{"driver_id": %d}' % entity


_REFERENCES = json.dumps(references()).encode()


def _feast(entity: int) -> bytes:
    return b'{"features": %s, "entities": {"driver_id": [%d]}}' % (_REFERENCES, entity)


def _started_redis(stack: ExitStack, folder: Path) -> str:
    """A Redis or Valkey server of our own, or words that say why there is none."""
    program = next(filter(None, map(shutil.which, ("redis-server", "valkey-server"))), None)
    if program is None:
        return "no redis-server and no valkey-server is on the PATH"
    port = online_http.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return f"redis://127.0.0.1:{port}/0"


def _why(error: subprocess.CalledProcessError | subprocess.TimeoutExpired) -> str:
    """The last that a program said, or that it went on for too long."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {_AT_MOST} seconds."
    said = (error.stderr or error.stdout or "").strip().splitlines()
    return said[-1][:300] if said else "it failed."


def measure(method: Method, bench: Bench) -> dict[str, float] | None:
    """One method in a process of its own; None, and a note, where a peer fails."""
    command = [str(method.python), "-W", "ignore", "-m", method.module, method.name, json.dumps(dict(method.task))]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=_AT_MOST)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        if method.module == "benchmarks.online_ours":
            raise RuntimeError(f"{method.name}: {error.stderr!r:.2000}") from error
        bench.notes.append(f"{bench.label(method)} is not measured: {_why(error)}")
        return None
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def measure_server(contestant: Contestant, bench: Bench) -> dict[str, float] | None:
    """One server, started for it; None, and a note, where a peer's does not answer."""
    log = bench.folder / "server.log"
    try:
        with online_http.Running(contestant.command, contestant.environment, contestant.ready, log) as running:
            return online_http.asked(running, contestant.path, contestant.body, bench.options.entities, _SECONDS)
    except (RuntimeError, OSError) as error:
        if contestant.name.startswith("sqlfeat"):
            raise
        bench.notes.append(f"{contestant.name} is not measured: {str(error).strip().splitlines()[-1][:300]}")
        return None


def _all(found: Mapping[str, dict[str, float] | None]) -> dict[str, dict[str, float]]:
    """What was measured."""
    return {name: told for name, told in found.items() if told is not None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the results; the exit code is 1 where an overloaded server did anything but shed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--redis", default="", help="the URL of a server to use, whose database is written to")
    parser.add_argument("--no-feast", action="store_true")
    parser.add_argument("--no-http", action="store_true")
    parser.add_argument("--only", default="", help="part of the names of what is measured")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        bench = Bench(options, stack)
        machine = facts_of_machine()
        chosen = [one for one in bench.methods() if options.only in bench.label(one) or one.name == "raw LMDB gets"]
        servers = [one for one in bench.servers() if options.only in one.name or "naive" in one.name]
        servers = [] if options.no_http else servers
        embedded, http = [], []
        for number in range(options.repetitions):
            embedded.append(_all({bench.label(one): measure(one, bench) for one in chosen}))
            http.append(_all({one.name: measure_server(one, bench) for one in servers}))
            print(f"turn {number + 1} of {options.repetitions}", file=sys.stderr, flush=True)
        added = _added(bench)
        load = _under_load(bench) if not options.no_http else {}
    notes = list(bench.notes)
    if not bench.redis.startswith("redis://"):
        notes.append(f"Redis is not measured: {bench.redis}.")
    measured = Measured(machine, options.entities, options.repetitions, embedded, added, http, load, notes)
    print(report(measured))
    if is_whole(options):
        keep(HERE / "results", measured)
    return int(bool(set(load.get("statuses", {})) - {"200", "503"} or load.get("without_retry_after")))


def is_whole(options: argparse.Namespace) -> bool:
    """Whether everything is measured: the page of a whole run is not written over by a part of it."""
    return not (options.only or options.no_http or options.no_feast)


def _added(bench: Bench) -> list[dict[str, float]]:
    """What a prediction adds to features, so often as everything else is measured."""
    method = Method(
        ADDED, "benchmarks.online_ours", {"project": str(bench.ours["LMDB"]), "entities": bench.options.entities},
        Path(sys.executable),
    )  # fmt: skip
    told = (measure(method, bench) for _ in range(bench.options.repetitions))
    return [one for one in told if one is not None]


def _under_load(bench: Bench) -> dict[str, Any]:
    """Twice the load that our server can hold: a prediction a request, a connection each."""
    server = next(one for one in bench.servers() if one.name == "sqlfeat serve, LMDB, predict")
    with online_http.Running(server.command, server.environment, server.ready, bench.folder / "server.log") as running:
        online_http.asked(running, server.path, server.body, bench.options.entities, 0.5)  # the model is read
        holds = online_http.held(running, server.path, server.body(3), 3)
        return {"held_a_second": holds, **online_http.overloaded(running, server.path, server.body(3), holds, 5)}


if __name__ == "__main__":
    sys.exit(main())
