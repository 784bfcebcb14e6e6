"""Files as disks, copies and people damage them."""

from __future__ import annotations

from pathlib import Path
from random import Random

WAYS = ("flip", "cut", "zero", "longer", "gone", "empty")


def damaged(path: Path, dice: Random) -> str:
    """Damage a file in one of the ways in which files are damaged; gives which."""
    data = bytearray(path.read_bytes())
    way = dice.choice(WAYS)
    if way == "flip":
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    elif way == "cut":
        del data[dice.randrange(len(data)) :]
    elif way == "zero":
        start = dice.randrange(len(data))
        stretch = data[start : start + 4096]
        data[start : start + 4096] = bytes(len(stretch)) if any(stretch) else b"\1" * len(stretch)
    elif way == "longer":
        data += b"\0"
    path.unlink()
    if way != "gone":
        path.write_bytes(b"" if way == "empty" else bytes(data))
    return way
