"""What surrounds a Python process: packages and modules that it imported, machine, threads, and what else may count.

Called in the process that it is about, a hook's child, after the hook has run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlfeat.base.withheld import recorded_variables

_GREATEST = 4 << 20


def surroundings(root: Path) -> dict[str, Any]:
    """What is around this process; ``root`` is the project's folder, whose modules are told by path and hash."""
    packages, modules, elsewhere = _imported(root)
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "usable_cpus": usable_cpus(),
        "variables": recorded_variables(os.environ),
        "packages": packages,
        "modules": modules,
        "elsewhere": elsewhere,
    }


def usable_cpus() -> int:
    """How many processors this process may use: what libraries take for the number of their threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str | None:
    """The processor's name; other instructions may round otherwise."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        match = None
    return match[1] if match else platform.processor() or None


def _imported(root: Path) -> tuple[dict[str, str], dict[str, str | None], list[dict[str, Any]]]:
    """Packages with versions; the project's own modules, by path with their hash; what is neither, by name."""
    modules: dict[str, str | None] = {}
    installed: dict[Path, dict[str, Path]] = {}
    others: dict[str, Path] = {}
    for name, file in _module_files():
        top = name.partition(".")[0]
        site = next((parent for parent in file.parents if parent.name in ("site-packages", "dist-packages")), None)
        if site is not None:
            installed.setdefault(site, {}).setdefault(top, file)
        elif file.is_relative_to(root):
            modules[file.relative_to(root).as_posix()] = _digest(file)
        else:
            others.setdefault(top, file)
    packages = dict(entry for site, files in installed.items() for entry in _packages(site, files))
    elsewhere = []
    for top, file in sorted(others.items()):
        version = _version(top)  # installed in place, as a developer does
        if version is not None:
            packages[top] = version
        elif not _is_of_python(file):
            elsewhere.append({"module": top, "sha256": _digest(file)})
    return dict(sorted(packages.items())), dict(sorted(modules.items())), elsewhere


def _module_files() -> Iterator[tuple[str, Path]]:
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        top = name.partition(".")[0]
        if isinstance(file, str) and top not in sys.stdlib_module_names and top not in ("__main__", "__mp_main__"):
            yield name, Path(file)


def _packages(site: Path, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """The packages that installed these modules: by name, or as their lists of files say.

    The folders' names tell name and version; to have the library parse every package's metadata takes ten times as
    long, at every training.
    """
    folders = {place: _said(place) for place in sorted(site.glob("*.dist-info"))}
    by_name = {_plain(name): (name, version) for name, version in folders.values()}
    unknown = {top: file for top, file in files.items() if _plain(top) not in by_name}
    yield from (by_name[_plain(top)] for top in files if top not in unknown)
    wanted = {f"{file.relative_to(site).as_posix()}," for file in unknown.values()}
    for place, said in folders.items() if wanted else ():
        try:
            listed = (place / "RECORD").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if any(listed.startswith(line) or f"\n{line}" in listed for line in wanted):
            yield said


def _said(place: Path) -> tuple[str, str]:
    name, _, version = place.name.removesuffix(".dist-info").partition("-")
    return name.replace("_", "-"), version


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None


def _is_of_python(file: Path) -> bool:
    """Whether a file is installed beside Python itself, or somewhere in this environment."""
    return any(file.is_relative_to(prefix) for prefix in {sys.prefix, sys.base_prefix})


def _digest(file: Path) -> str | None:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.stat().st_size <= _GREATEST else None
    except OSError:
        return None
