"""A real Chromium, driven over a pipe by the DevTools protocol: for tests of pages.

It is looked for on the PATH under its usual names, and where macOS has it; ``SQLFEAT_CHROMIUM`` names another. Where
there is none, tests that need it are left out, and the end of the run says so and how to get one.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "chrome-headless-shell",
    "chromium-headless-shell",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
MISSING = (
    "There is no Chromium here, and pages are tested in a real one. Debian and Ubuntu: apt-get install chromium; "
    "elsewhere any Chrome on the PATH, or its path in SQLFEAT_CHROMIUM."
)
_BEGIN = """
import fcntl, os, sys
heard, said = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(heard, 3)  # the browser reads from descriptor 3 and writes to 4
os.dup2(said, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
LIGHT, DARK, PRINT = "light", "dark", "print"


def program() -> str:
    """The path of a Chromium.

    Raises:
        FileNotFoundError: there is none.
    """
    given = os.environ.get("SQLFEAT_CHROMIUM")
    found = next((path for name in ([given] if given else NAMES) if (path := shutil.which(name))), None)
    if found is None:
        raise FileNotFoundError(MISSING)
    return found


class Browser:
    """A Chromium without a window, driven over a pipe: messages of JSON that end with a zero byte."""

    def __init__(self, program: str) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        heard, self._ask = os.pipe()
        self._answer, said = os.pipe()
        words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        words += [f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, str(heard), str(said), *words],
            pass_fds=(heard, said),
            stderr=subprocess.DEVNULL,
        )
        os.close(heard)
        os.close(said)
        self._count, self._rest, self._session = 0, b"", ""
        self.complaints: list[str] = []
        try:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the browser, and leave nothing of it."""
        self._process.kill()
        self._process.wait(timeout=30)
        os.close(self._ask)
        os.close(self._answer)
        self._folder.cleanup()

    def call(self, method: str, **given: Any) -> Any:
        self._count += 1
        asked: dict[str, Any] = {"id": self._count, "method": method, "params": given}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._ask, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._count:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]

    def _next(self) -> Mapping[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._answer, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._rest += piece
        message, _, self._rest = self._rest.partition(b"\0")
        told: Mapping[str, Any] = json.loads(message)
        self._note(told.get("method", ""), told.get("params", {}))
        return told

    def _note(self, method: str, told: Mapping[str, Any]) -> None:
        """Keep what a page complains of on its console."""
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value")) for one in told["args"]))

    def open(self, page: Path, width: int, scheme: str) -> None:
        """Show a page, and wait until it is there; what it complains of is known anew."""
        self.complaints = []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": DARK if scheme == DARK else LIGHT}
        self.call("Emulation.setEmulatedMedia", media=PRINT if scheme == PRINT else "screen", features=[feature])
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def ask(self, script: str) -> Any:
        """The value of a script."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"]["description"])
        return told["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key and let go of it."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def picture(self, file: Path) -> None:
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def pdf(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=False)["data"]))
