"""The report in a real browser: what only a browser knows is checked, and pictures are kept to be looked at.

``make look-report`` leaves pictures to be looked at by people, and checks what is cut or lies over something else.
Reports that are given are looked at instead of made ones. What can be tested of a page is in ``test_page.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.made.browser import DARK, LIGHT, PRINT, Browser, program
from tests.made.monitorings import monitoring, nothing, quiet_view

WIDTHS = (390, 768, 1280)
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
    try:
        chromium = program()
    except FileNotFoundError as missing:
        print(missing)
        return 2
    given.into.mkdir(parents=True, exist_ok=True)
    pages = [one.resolve() for one in given.reports]
    if not pages:
        made = {"breach": monitoring(), "quiet": quiet_view(), "nothing": nothing()}
        for name, result in made.items():
            page = given.into.resolve() / f"{name}.html"
            page.write_text(result.html())
            pages.append(page)
    with Browser(chromium) as browser:
        found = [one for page in pages for one in look(browser, page, given.into)]
    print("\n".join(found) or f"Nothing is cut, hidden or over something else. Pictures are in {given.into}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
