"""The folders that travel with sqlfeat: in a wheel inside the package, in a checkout beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from sqlfeat.errors import StoreError

_PACKAGE = Path(__file__).resolve().parent.parent


def assets(name: Literal["project_template", "macros"]) -> Path:
    """The folder of that name."""
    for folder in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise StoreError(
        "assets-missing",
        f"This installation of sqlfeat has no folder {name!r}.",
        hint="install sqlfeat again.",
    )
