"""Where a Redis or Valkey server is, as a URL says it: who logs in there is known, and never shown.

``redis://[[user]:password@]host[:port][/database]``, ``rediss://`` for TLS, ``unix://[[user]:password@]/path?db=0``.
TLS takes ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``, ``ssl_check_hostname`` and ``ssl_cert_reqs``
(``required`` or ``none``), as redis-py names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
PORT = 6379
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")


@dataclass(frozen=True)
class RedisAddress:
    """A server and a database in it. Its text and its ``repr`` say neither user nor password."""

    scheme: str
    host: str = ""
    port: int = PORT
    path: str = ""
    database: int = 0
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}?db={self.database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Read a URL; raise :class:`ValueError` with what is wrong with it, and without its text."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise ValueError("it has no host and port that can be read") from None
        if parts.scheme not in SCHEMES:
            raise ValueError(f"it begins with none of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
        if parts.fragment:
            raise ValueError("it has a '#': write %23 where a password has one")
        said = dict(parse_qsl(parts.query, keep_blank_values=True))
        known = ("db", *(_TLS if parts.scheme == "rediss" else ()))
        unknown = next((name for name in said if name not in known), None)
        if unknown is not None:
            raise ValueError(f"after the '?' it may say {', '.join(known)} and nothing else")
        local = parts.scheme == "unix"
        if local and not parts.path.strip("/"):
            raise ValueError("it names no socket: write unix:///path/to/redis.sock")
        if not local and not parts.hostname:
            raise ValueError("it names no host")
        return cls(
            scheme=parts.scheme,
            host="" if local else parts.hostname or "",
            port=port or PORT,
            path=unquote(parts.path) if local else "",
            database=_database(parts, said),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=_tls(said),
        )


def _database(parts: SplitResult, said: Mapping[str, str]) -> int:
    text = said.get("db") or ("" if parts.scheme == "unix" else parts.path.strip("/")) or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError("its database is no number")
    return int(text)


def _tls(said: Mapping[str, str]) -> dict[str, str]:
    options = {name: value for name, value in said.items() if name in _TLS}
    if options.get("ssl_cert_reqs", "required") not in ("required", "none"):
        raise ValueError("ssl_cert_reqs is 'required' or 'none'")
    if options.get("ssl_check_hostname", "true").lower() not in ("true", "false"):
        raise ValueError("ssl_check_hostname is 'true' or 'false'")
    return options
