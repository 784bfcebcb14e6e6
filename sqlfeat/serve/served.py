"""What a server serves: a project's session, opened when there is a snapshot, and kept fresh by a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlfeat.api import Project
from sqlfeat.errors import ProjectErrors, SqlfeatError, StoreError
from sqlfeat.ops.online.session import ServeSession
from sqlfeat.store import registry
from sqlfeat.store.serving_log import ServingLog

Log = Callable[[BaseException], None]


class Served:
    """A project at work for requests. Until a snapshot is there, whoever asks for the session is told why it is not."""

    def __init__(
        self,
        project: Project,
        *,
        model: str | None = None,
        log: Log = lambda _: None,
        serving_log: ServingLog | None = None,
        opened: Callable[[], None] = lambda: None,
        noticed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.project = project
        self.default_model = model
        self.serving_log = serving_log
        self._log = log
        self._opened = opened
        self._noticed = noticed
        self._told: set[str] = set()
        self._session: ServeSession | None = None
        self._problem: SqlfeatError = StoreError("not-ready", "The server is starting.", hint="ask again in a second.")
        self._unbound: dict[str, SqlfeatError] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def session(self) -> ServeSession:
        """The session.

        Raises:
            SqlfeatError: there is none yet.
        """
        if self._session is None:
            again = self._problem
            raise StoreError(again.code, again.what, hint=again.hint)
        return self._session

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return self._session is not None and self._session.ready

    @property
    def is_remote(self) -> bool:
        """Whether answers wait for a store outside of this process."""
        return self.project.spec.online.get("store") == "redis"

    def status(self) -> dict[str, Any]:
        """How things stand, for ``/health/ready``."""
        session = self._session
        if session is None:
            return {"status": "not ready", "snapshot": None, "problems": [self.told(self._problem)]}
        problems = [self.told(error) for error in session.problems]
        status = "ready" if session.ready else "not ready"
        return {"status": status, "snapshot": session.snapshot, "as_of": written(session.as_of), "problems": problems}

    def snapshot(self) -> float:
        return float(self._session.snapshot) if self._session is not None else 0.0

    def age(self) -> float:
        """Seconds since the instant of the snapshot; NaN without one."""
        if self._session is None:
            return float("nan")
        return (datetime.now(UTC) - self._session.as_of).total_seconds()

    def refresh(self) -> None:
        """Open the session if it is not open yet, or go over to what is new."""
        try:
            if self._session is not None:
                self._session.refresh()
            else:
                self._open()
        except SqlfeatError as error:
            self._problem = error

    def look(self) -> None:
        """Refresh, and tell whoever started the server what is wrong, once as long as it lasts, and when it is over."""
        self.refresh()
        session, before = self._session, self._told
        self._told = {str(problem) for problem in (session.problems if session is not None else (self._problem,))}
        for problem in sorted(self._told - before):
            self._noticed(problem)
        if session is not None and before and not self._told:
            self._noticed(f"Ready: snapshot {session.snapshot} is served.")

    def _open(self) -> None:
        session = self.project.serve_session(log=self.serving_log)
        try:
            self._warm(session)
        except SqlfeatError:
            session.close()
            raise
        self._session = session
        self._opened()

    def _warm(self, session: ServeSession) -> None:
        """Bind what can be bound, so that no request waits for it; only the default model must be there."""
        self._unbound = {}
        for name in self.training_sets():
            try:
                session.request_columns(name)
            except SqlfeatError as error:
                self._unbound[name] = error
        if self.default_model is not None:
            session.model(self.default_model)

    def keep_fresh(self, seconds: float) -> None:
        """Refresh every so often, in a thread of its own, until ``close``."""

        def work() -> None:
            while True:
                try:
                    self.look()
                except Exception as error:  # noqa: BLE001 (the thread's edge: what is served stays served)
                    self._log(error)
                if self._stop.wait(seconds):
                    return

        self._thread = threading.Thread(target=work, name="refresh", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop refreshing and let go of the snapshot."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
        if self._session is not None:
            self._session.close()
            self._session = None

    # -- what strangers may know -----------------------------------------------------------------------------------

    def shown(self, error: SqlfeatError) -> SqlfeatError:
        """An error without the folders of this machine."""
        if isinstance(error, ProjectErrors):
            error = error.errors[0]
        hint = None if error.hint is None else self._without_folders(error.hint)
        return type(error)(error.code, self._without_folders(error.what), hint=hint)

    def told(self, error: SqlfeatError) -> dict[str, Any]:
        """The same as plain values."""
        return told(self.shown(error))

    @cached_property
    def _folders(self) -> list[Path]:
        """The folders of the project, the longest first."""
        spec = self.project.spec
        places = {spec.root, spec.registry, spec.target_path, Path(spec.online.get("path") or spec.root)}
        return sorted({*places, *(place.resolve() for place in places)}, key=lambda one: -len(str(one)))

    def _without_folders(self, text: str) -> str:
        for folder in self._folders:
            text = text.replace(str(folder), folder.name)
        return text

    # -- what there is ---------------------------------------------------------------------------------------------

    def training_sets(self) -> list[str]:
        """The names of the project's training sets."""
        models = self.project.manifest.models.values()
        return [model.name for model in models if model.materialized == "training_set"]

    def models(self) -> dict[str, dict[str, Any]]:
        """The registered models: their latest version, and where aliases point."""
        folder = self.project.spec.registry
        found: dict[str, dict[str, Any]] = {}
        for name in registry.model_names(folder):
            try:
                number, state = registry.number_of(folder, name)
                found[name] = {"latest": number, "aliases": dict(state.aliases)}
            except SqlfeatError as error:
                found[name] = {"problem": self.told(error)}
        return found


def told(error: SqlfeatError) -> dict[str, Any]:
    """An error as clients see it, where it is about their request alone."""
    return {"code": error.code, "message": error.what, "hint": error.hint}


def written(instant: datetime) -> str:
    """An instant as ISO 8601 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
