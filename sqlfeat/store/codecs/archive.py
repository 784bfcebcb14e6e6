"""Several small files as one: a zip whose bytes follow from its content alone, read strictly.

Files lie in it as they are, uncompressed (what a compressor makes differs between its versions) and without dates.
Whatever else a zip may hold is refused: folders, links, compressed or repeated members, names that lead elsewhere.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

from sqlfeat.errors import StoreError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,120}")


def pack(files: Mapping[str, bytes]) -> bytes:
    """One file that holds these, in their order."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            assert _NAME.fullmatch(name), name
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, 0o600 << 16
            archive.writestr(member, content)
    return stream.getvalue()


def unpack(data: bytes, what: str) -> dict[str, bytes]:
    """The files in it; ``what`` is what it holds, for people."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            plain = all(
                _NAME.fullmatch(member.filename)
                and member.compress_type == zipfile.ZIP_STORED
                and not member.flag_bits & 1
                and member.file_size == member.compress_size
                for member in members
            )
            if not plain or len(set(names)) != len(names):
                raise zipfile.BadZipFile("it holds members that sqlfeat does not write")  # noqa: TRY301
            return {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise StoreError("unreadable-model", f"{what} cannot be read: {error}.") from error
