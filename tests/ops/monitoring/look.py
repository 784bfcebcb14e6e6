"""The report in a real browser: what only a browser knows is checked, and pictures are kept to be looked at.

``make look-report`` needs a Chromium on this machine, and says so where there is none. It is driven over a pipe by the
DevTools protocol, so nothing else is needed. Reports that are given are looked at instead of a made one.
"""

from __future__ import annotations

import argparse
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

from tests.made.monitorings import monitoring, nothing, quiet_view

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTHS = (390, 768, 1280)
LIGHT, DARK, PRINT = "light", "dark", "print"
A_SHEET = 718
"""How wide A4 is without its margins."""

CHECKS = """(() => {
  const found = [];
  const shown = (one) => one.getClientRects().length > 0;
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page is wider than the window");
  for (const svg of document.querySelectorAll("svg.chart")) {
    if (!shown(svg)) continue;
    const sheet = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].map((one) => [one, one.getBoundingClientRect()]);
    for (const [one, box] of texts) {
      if (box.left < sheet.left - 1 || box.right > sheet.right + 1) found.push("cut: " + one.textContent);
      if (box.height && box.height < 8) found.push("too small: " + one.textContent);
      for (const [other, its] of texts) {
        if (one === other || one.classList.contains("letter") || other.classList.contains("letter")) continue;
        const over = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        if (over > 1 && down > 4) found.push("over each other: " + one.textContent + " and " + other.textContent);
      }
    }
  }
  return [...new Set(found)];
})()"""

WORKS = """(() => {
  const found = [];
  const cards = [...document.querySelectorAll("details[data-feature]")];
  const closed = cards.find((one) => !one.open);
  if (document.getElementById("tools").hidden) found.push("the script did not run");
  if (closed) {
    location.hash = closed.querySelector(".inside").id;
    window.dispatchEvent(new HashChangeEvent("hashchange"));
    if (!closed.open) found.push("a link does not open its card");
    document.getElementById("close").click();
    if (cards.some((one) => one.open)) found.push("cards do not close");
    document.getElementById("open").click();
    if (!cards.every((one) => one.open)) found.push("cards do not open");
    const field = document.getElementById("find");
    field.value = cards[0].dataset.feature;
    field.dispatchEvent(new Event("input"));
    if (cards[0].hidden || cards.slice(1).every((one) => !one.hidden)) found.push("a feature is not found by its name");
  }
  return found;
})()"""


class Browser:
    """A Chromium without a window, driven over a pipe: messages of JSON that end with a zero byte."""

    def __init__(self, program: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        heard, self._ask = os.pipe()
        self._answer, said = os.pipe()
        words = [program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        words += [f"--user-data-dir={self._folder.name}", "about:blank"]
        # the browser reads from descriptor 3 and writes to 4
        self._process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{heard} 4>&{said}', "sh", *words],
            pass_fds=(heard, said),
            stderr=subprocess.DEVNULL,
        )
        os.close(heard)
        os.close(said)
        self._count, self._rest, self._session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)
        os.close(self._ask)
        os.close(self._answer)
        shutil.rmtree(self._folder.name, ignore_errors=True)

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
        return told

    def open(self, page: Path, width: int, scheme: str) -> None:
        """Show a page, and wait until it is there."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": DARK if scheme == DARK else LIGHT}
        self.call("Emulation.setEmulatedMedia", media=PRINT if scheme == PRINT else "screen", features=[feature])
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def ask(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def picture(self, file: Path) -> None:
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def pdf(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=False)["data"]))


def look(browser: Browser, page: Path, folder: Path) -> list[str]:
    """What is wrong with a report, at every width and in every scheme; pictures of it are left in the folder."""
    found = []
    for width, scheme in [*((width, scheme) for width in WIDTHS for scheme in (LIGHT, DARK)), (A_SHEET, PRINT)]:
        browser.open(page, width, scheme)
        found += [f"{page.stem}, {width} px, {scheme}: {one}" for one in browser.ask(CHECKS)]
        browser.picture(folder / f"{page.stem}-{width}-{scheme}.png")
    browser.pdf(folder / f"{page.stem}.pdf")
    browser.open(page, WIDTHS[-1], LIGHT)
    if browser.ask("document.querySelector('details[data-feature]') !== null"):
        found += [f"{page.stem}: {one}" for one in browser.ask(WORKS)]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", nargs="*", type=Path, help="reports to look at instead of made ones")
    parser.add_argument("--into", type=Path, default=Path(".look"), help="where pictures go (.look)")
    given = parser.parse_args()
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        print("There is no Chromium here, so the report is not looked at: install one (chromium, google-chrome).")
        return 2
    given.into.mkdir(parents=True, exist_ok=True)
    pages = [one.resolve() for one in given.reports]
    if not pages:
        made = {"breach": monitoring(), "quiet": quiet_view(), "nothing": nothing()}
        for name, result in made.items():
            page = given.into.resolve() / f"{name}.html"
            page.write_text(result.html())
            pages.append(page)
    with Browser(program) as browser:
        found = [one for page in pages for one in look(browser, page, given.into)]
    print("\n".join(found) or f"Nothing is cut, hidden or over something else. Pictures are in {given.into}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
