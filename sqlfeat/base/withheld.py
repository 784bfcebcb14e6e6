"""What is never kept: values of environment variables that may be secret, wherever they turn up.

A value is known by itself, not by the way it took: one that came into a SQL text, a location or a parameter is found
there and replaced by ``${env:NAME}``. Withheld are the variables that a project names, those whose name or value looks
like a secret's; short values are not, for they say nothing and stand everywhere. :data:`RECORDED` are the variables
whose values are wanted, since results may hang on them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHORTEST = 6
_SHORTEST_LINE = 16
RECORDED = (
    "OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OMP_SCHEDULE", "OMP_PROC_BIND", "OMP_WAIT_POLICY",
    "MKL_NUM_THREADS", "MKL_CBWR", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "TF_DETERMINISTIC_OPS", "PYTHONHASHSEED", "PYTHONOPTIMIZE",
    "TZ", "LANG", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_NUMERIC", "LC_TIME",
)  # fmt: skip
"""Environment variables that may change a result, and whose values are no secret."""
_HARMLESS = re.compile(r"[\w.,:;/@+-]{0,80}")
_SECRET_WORDS = frozenset(
    {"SECRET", "SECRETS", "PASS", "PWD", "PASSPHRASE", "CREDENTIALS", "AUTH", "KEY", "KEYS", "PRIVATE", "DSN", "SAS"}
)
_SECRET_PART = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|APIKEY|API_KEY")
_WITH_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)(?P<user>[^/\s@'\"]*)@")
_KEY_MATERIAL = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bxox[abprs]-[\w-]{10,}"
)
_NAMED = re.compile(
    r"\$\{env:(?P<yaml>\w+)|\benv_var\(\s*['\"](?P<jinja>\w+)['\"]"
    r"|\benviron(?:\.(?:get|pop|setdefault)\(|\[)\s*['\"](?P<python>\w+)['\"]|\bgetenv\(\s*['\"](?P<getenv>\w+)['\"]"
)


def variables_named_in(text: str) -> set[str]:
    """The environment variables that a text of a project reads by name."""
    return {name for match in _NAMED.finditer(text) for name in match.groups() if name}


def recorded_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of :data:`RECORDED` that are set; a value that looks like none of theirs is not told."""
    return {
        name: environment[name] if _HARMLESS.fullmatch(environment[name]) else "not recorded"
        for name in RECORDED
        if name in environment
    }


def without_password(address: str) -> str:
    """An address, without who logs in there."""
    return _WITH_PASSWORD.sub(lambda found: found["scheme"], address)


def has_key_material(raw: bytes) -> bool:
    """Whether a text holds what is a key by its form."""
    return _KEY_MATERIAL.search(raw) is not None


@dataclass(frozen=True)
class Withheld:
    """Values that may be secret, the longest first, each with the name of its variable."""

    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, environment: Mapping[str, str], named: Collection[str] = ()) -> Withheld:
        """Those of an environment; ``named`` are the variables that the project reads."""
        found: dict[str, str] = {}
        for name in sorted(environment):
            value = environment[name]
            if name not in RECORDED and (name in named or _is_secret(name, value)):
                for part in _parts(value):
                    found.setdefault(part, name)
        return cls(tuple(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0]))))

    def named_in(self, raw: bytes | str) -> tuple[str, ...]:
        """The variables whose values stand in a text."""
        text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
        return tuple(sorted({name for value, name in self.values if value in text}))

    def hidden(self, text: str) -> str:
        """A text with ``${env:NAME}`` for each value."""
        for value, name in self.values:
            text = text.replace(value, f"${{env:{name}}}")
        return _WITH_PASSWORD.sub(lambda found: found["scheme"] + "…@", text) if "://" in text else text

    def hidden_in(self, value: Any) -> Any:
        """Plain values with every text in them hidden."""
        if isinstance(value, str):
            return self.hidden(value)
        if isinstance(value, Mapping):
            return {self.hidden(str(key)): self.hidden_in(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.hidden_in(inner) for inner in value]
        return value


def _parts(value: str) -> Iterable[str]:
    stripped = value.strip()
    if len(stripped) >= SHORTEST:
        yield stripped
    lines = [line.strip() for line in stripped.splitlines()]
    yield from (line for line in lines[: len(lines) if len(lines) > 1 else 0] if len(line) >= _SHORTEST_LINE)


def _is_secret(name: str, value: str) -> bool:
    upper = name.upper()
    if upper in ("PWD", "OLDPWD"):
        return False
    words = re.split(r"[_\W]+", upper)
    by_form = _WITH_PASSWORD.search(value) is not None or has_key_material(value.encode(errors="replace"))
    return by_form or _SECRET_PART.search(upper) is not None or not _SECRET_WORDS.isdisjoint(words)
