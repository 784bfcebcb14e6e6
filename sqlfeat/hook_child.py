"""What runs in the child process of an event hook or a promotion hook.

``base.process`` starts the child at :func:`notify` or :func:`promotion` and brings back what they return. It waits for
no engine and no library: a project may have such a hook for every model that is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlfeat.errors import HookError, SqlfeatError
from sqlfeat.hooks import collected
from sqlfeat.user_code import UsersError, call, call_by_name, import_file, shape, told


def notify(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Call every hook of ``event`` in ``file`` with ``facts``."""
    root = Path(argument["root"])
    errors = []
    try:
        import_file(Path(argument["file"]), root)
    except UsersError as error:
        return {"errors": [told(error.__cause__ or error, root)]}
    for function in collected.events.get(argument["event"], ()):
        try:
            call(function, dict(argument["facts"]))
        except UsersError as error:
            errors.append(told(error.__cause__ or error, root))
    return {"errors": errors}


def promotion(argument: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the promotion hook ``function`` in ``file`` about ``facts``: ``{"allowed", "reason"}``, or ``{"error"}``."""
    root = Path(argument["root"])
    try:
        import_file(Path(argument["file"]), root)
        return _asked(argument)
    except UsersError as error:
        return {"error": told(error.__cause__ or error, root)}
    except SqlfeatError as error:
        return {"error": shape(error, None)}


def _asked(argument: Mapping[str, Any]) -> dict[str, Any]:
    name = argument["function"]
    if name not in collected.promotions:
        raise HookError("hook-no-result", f"{argument['file']} was imported and defined no promotion hook {name!r}.")
    said = call_by_name(collected.promotions[name], dict(argument["facts"]))
    if not isinstance(said, bool | str) or said == "":
        raise HookError(
            "hook-bad-result",
            f"The promotion hook {name} returned {said!r}.",
            hint="return True to let the version pass, False or a text with the reason to refuse it.",
        )
    refused = said if isinstance(said, str) else f"{name} refuses it"
    return {"allowed": said is True, "reason": "" if said is True else refused}
