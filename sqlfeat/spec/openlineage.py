"""Where OpenLineage events go: ``openlineage: {url: …}`` of the project file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlfeat.errors import ProjectError
from sqlfeat.spec.section import Section

ENDPOINT = "api/v1/lineage"
TIMEOUT = 2.0
_KEYS = ("url", "endpoint", "api_key", "file", "namespace", "timeout")


@dataclass(frozen=True)
class OpenLineageSpec:
    """A receiver over HTTP, or a file that gets an event a line; ``namespace`` is that of jobs.

    ``timeout`` is how many seconds the end of a command waits for the receiver, at the most.
    """

    url: str | None = None
    endpoint: str = ENDPOINT
    api_key: str | None = field(default=None, repr=False)
    file: Path | None = None
    namespace: str | None = None
    timeout: float = TIMEOUT


def read_openlineage(file: Section, root: Path) -> OpenLineageSpec | None:
    """Read ``openlineage:``, a mapping or only the receiver's URL; what is wrong is noted."""
    given = file.get("openlineage")
    if given is None:
        return None
    if isinstance(given.value, str):
        return OpenLineageSpec(url=given.value) if _is_url(file, "openlineage", given.value) else None
    section = Section(given, "openlineage", file.problems)
    section.only(_KEYS)
    url, place, timeout = section.text("url"), section.text("file"), section.duration("timeout")
    if (url is None) == (place is None) and given.is_mapping:
        what = "'openlineage' goes to a receiver or into a file: it needs either 'url' or 'file'."
        file.problems.add(ProjectError("bad-value", what, section.place))
    if url is not None and not _is_url(section, "url", url):
        url = None
    return OpenLineageSpec(
        url=url,
        endpoint=section.text("endpoint") or ENDPOINT,
        api_key=section.text("api_key"),
        file=None if place is None else (root / place).absolute(),
        namespace=section.text("namespace"),
        timeout=timeout.microseconds / 1e6 if timeout is not None and not timeout.months else TIMEOUT,
    )


def is_receiver(url: str) -> bool:
    """Whether a URL is one that events can be posted to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _is_url(section: Section, key: str, url: str) -> bool:
    if is_receiver(url):
        return True
    what = f"{key!r} must be the address of a receiver of OpenLineage events."
    found = section.get(key)
    place = found.place if found is not None else section.place
    section.problems.add(ProjectError("bad-value", what, place, 'as in "http://localhost:5000".'))
    return False
